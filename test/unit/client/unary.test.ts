import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { OnDisconnect } from "../../../src/gen/chat/chat_pb.ts";
import { refusal } from "../../support/fake-chat.ts";
import { createMemoryClient } from "./memory-client.ts";

const timeout = 10_000;
const unavailable = () => refusal(Code.Unavailable, "STORAGE_UNAVAILABLE");

test("a unary call is tried again, elsewhere first, with growing random waits", {
  timeout,
}, async (t) => {
  const { client, chat, replicas, clock } = createMemoryClient(t, { servers: 2 });
  chat.openSession("s");
  for (const replica of replicas) replica.refuse("getSessionInfo", unavailable(), unavailable());
  const { sessionId } = await clock.run(client.session("s").getInfo());
  assert.equal(sessionId, "s");
  assert.equal(clock.now(), 125 + 125 + 250 + 250);
  assert.deepEqual(
    replicas.map((replica) => replica.of("getSessionInfo").length),
    [3, 2],
  );
});

test("RetryInfo is obeyed, and a wait past the budget is the failure itself", {
  timeout,
}, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  chat.openSession("s");
  server.refuse("getSessionInfo", refusal(Code.Unavailable, "SERVER_DRAINING", 3_000));
  await clock.run(client.session("s").getInfo());
  assert.equal(clock.now(), 3_125);
  server.refuse("getSessionInfo", refusal(Code.Unavailable, "SERVER_DRAINING", 60_000));
  await assert.rejects(client.session("s").getInfo(), { code: Code.Unavailable });
  assert.equal(clock.now(), 3_125);
});

test("each attempt has a deadline, and the budget bounds them all", { timeout }, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t, { unaryTimeoutMs: 8_000 });
  chat.openSession("s");
  server.before = () => new Promise(() => {});
  const call = client.session("s").getInfo();
  call.catch(() => undefined);
  await assert.rejects(clock.run(call), { code: Code.DeadlineExceeded });
  assert.ok(clock.now() <= 8_000 + 30_000 + 8_000, String(clock.now()));
  assert.ok(server.of("getSessionInfo").length >= 4);
});

test("a token that does not come is bounded by the deadline", { timeout }, async (t) => {
  const { client, clock, server } = createMemoryClient(t, {
    retry: { unaryBudgetMs: 1 },
    getToken: () => new Promise(() => {}),
  });
  const call = client.health();
  call.catch(() => undefined);
  await assert.rejects(clock.run(call), { code: Code.DeadlineExceeded });
  assert.equal(clock.now(), 10_000);
  assert.equal(server.calls.length, 0);
});

test("what no retry helps fails at once", { timeout }, async (t) => {
  const { client, server } = createMemoryClient(t);
  await assert.rejects(client.session("nowhere").getInfo(), { code: Code.NotFound });
  assert.equal(server.of("getSessionInfo").length, 1);
});

test("CreateSession and ForkSession keep one request_id over their attempts", {
  timeout,
}, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  server.refuse("createSession", unavailable(), unavailable());
  const { sessionId } = await clock.run(client.createSession({ title: "x" }));
  const ids = server
    .of("createSession")
    .map(({ request }) => (request as { requestId: string }).requestId);
  assert.deepEqual(ids, Array(3).fill(ids[0]));
  assert.match(String(ids[0]), /^[0-9a-f]{32}$/);
  assert.equal(chat.sessions.size, 1);
  server.refuse("forkSession", unavailable());
  await clock.run(client.session(sessionId).fork());
  const [first, second] = server
    .of("forkSession")
    .map(({ request }) => request as { requestId: string });
  assert.deepEqual(first, second);
  assert.notEqual(first?.requestId, "");
});

test("SendMessage is sent again with its request_id; the model runs once", {
  timeout,
}, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  chat.autoReply = (turn) => turn.end();
  let lost = true;
  server.before = async ({ method, request }) => {
    if (method !== "sendMessage" || !lost) return;
    lost = false;
    chat.startTurn(request as never);
    throw unavailable();
  };
  const { turnId } = await clock.run(client.sendMessage({ message: "hi" }));
  assert.equal(turnId, "turn-1");
  assert.equal(chat.modelRuns.length, 1);
  assert.equal(chat.modelRuns[0]?.onDisconnect, OnDisconnect.GRACE);
});

test("a turn that failed is not sent again by SendMessage", { timeout }, async (t) => {
  const { client, server } = createMemoryClient(t);
  server.refuse("sendMessage", refusal(Code.Unavailable, "MODEL_UNAVAILABLE", 100));
  await assert.rejects(client.sendMessage({ message: "hi" }), { code: Code.Unavailable });
  assert.equal(server.of("sendMessage").length, 1);
});

test("NOT_FOUND after a lost DeleteSession means that it is done", { timeout }, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  chat.openSession("s");
  server.refuse("deleteSession", unavailable());
  const { success } = await clock.run(client.session("s").delete());
  assert.equal(success, true);
  await assert.rejects(client.session("s").delete(), { code: Code.NotFound });
});

test("UpdateSession with an etag is sent once", { timeout }, async (t) => {
  const { client, server, clock } = createMemoryClient(t);
  server.refuse("updateSession", unavailable(), unavailable());
  await assert.rejects(client.session("s").update({ title: "x", etag: "1" }), {
    code: Code.Unavailable,
  });
  assert.equal(server.of("updateSession").length, 1);
  await clock.run(client.session("s").update({ title: "x" }));
  assert.equal(server.of("updateSession").length, 3);
});

test("headers and trailers are exposed, and headers of the caller are sent", {
  timeout,
}, async (t) => {
  const { client, chat, server } = createMemoryClient(t, { getToken: () => "secret" });
  chat.openSession("s");
  let header: Headers | undefined;
  let trailer: Headers | undefined;
  await client.session("s").getInfo({
    headers: { "x-mine": "1" },
    onHeader: (got) => {
      header = got;
    },
    onTrailer: (got) => {
      trailer = got;
    },
  });
  assert.equal(header?.get("x-header"), "h");
  assert.equal(trailer?.get("x-trailer"), "t");
  const sent = server.of("getSessionInfo")[0]?.header;
  assert.deepEqual([sent?.get("x-mine"), sent?.get("authorization")], ["1", "Bearer secret"]);
});

test("a signal, and close, end a call and its wait with CANCELED", { timeout }, async (t) => {
  const { client, server, clock } = createMemoryClient(t);
  server.before = () => new Promise(() => {});
  const controller = new AbortController();
  const aborted = client.health({ signal: controller.signal });
  const closed = client.health();
  await clock.settle();
  controller.abort();
  await assert.rejects(aborted, { code: Code.Canceled });
  const closing = client.close();
  await assert.rejects(closed, { code: Code.Canceled });
  await closing;
  await assert.rejects(client.health(), { code: Code.Canceled });
});

test("options that cannot be are refused", { timeout }, async (t) => {
  const { createChatClient } = await import("../../../src/client/client.ts");
  assert.throws(() => createChatClient({ endpoints: [] }), RangeError);
  const wrong = () => createMemoryClient(t, { unaryTimeoutMs: 0 });
  assert.throws(wrong, /unaryTimeoutMs/);
});
