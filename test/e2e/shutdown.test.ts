import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import {
  ChatRequest_Type,
  ChatResponse_Type,
  FinishReason,
  Message_State,
} from "../../src/gen/chat/chat_pb.ts";
import { callJson, startApp } from "../support/app.ts";
import { bidiLanes, connectLane, type Lane, lanes, overLanes } from "../support/lanes.ts";
import { until } from "../support/listener.ts";
import { temporaryFolder } from "../support/programs.ts";
import { connectRaw, streamChatRaw, whenClosed } from "../support/raw-call.ts";
import { assertPlainWords, startServer } from "../support/server-process.ts";
import { openChat } from "../support/stream-call.ts";
import { assertError, collectFailing, failureOf } from "../support/wire.ts";

const [grpc] = lanes as [Lane];

test("SIGTERM in mid reply lets the turn finish, and refuses new ones", async (t) => {
  const server = await startServer(t);
  const { chat } = connectLane(server, grpc);
  const { sessionId } = await chat.createSession({ modelId: "scripted:30x30" });
  const texts: string[] = [];
  let refused: Promise<unknown> | undefined;
  for await (const { type, chunkText } of chat.streamChat({ sessionId, message: "Go on" })) {
    if (type !== ChatResponse_Type.CHUNK) continue;
    texts.push(chunkText);
    if (texts.length > 1) continue;
    server.kill("SIGTERM");
    await server.until(/SIGTERM: finishing what runs/);
    refused = failureOf(chat.sendMessage({ message: "Another" }));
  }
  assert.equal(texts.length, 30, "the reply came to its end");
  // No new connection is taken; a call that races with the GOAWAY is refused in a way that says "try again".
  assert.match(String(await refused), /^ConnectError: \[unavailable\]|REFUSED_STREAM/);
  const { code, stderr } = await server.result();
  assert.equal(code, 0);
  assertPlainWords(stderr);
});

test("what a drained server has told is there after a restart", async (t) => {
  const cwd = temporaryFolder(t);
  const first = await startServer(t, { cwd });
  const { json } = await callJson(first, "SendMessage", {
    message: "Remember this",
    modelId: "scripted:say",
  });
  first.kill("SIGINT");
  assert.equal((await first.result()).code, 0);
  const second = await startServer(t, { cwd });
  const { chat } = connectLane(second, grpc);
  const { messages } = await chat.listMessages({ sessionId: String(json.sessionId) });
  assert.deepEqual(
    messages.map(({ text }) => text),
    ["Remember this", "Remember this"],
  );
});

test("a second signal ends the server at once", async (t) => {
  const server = await startServer(t);
  const { chat } = connectLane(server, grpc);
  const began = Promise.withResolvers<void>();
  const reading = failureOf(
    (async () => {
      const request = { message: "Go on", modelId: "scripted:1x0!hang@1" };
      for await (const { type } of chat.streamChat(request)) {
        if (type === ChatResponse_Type.CHUNK) began.resolve();
      }
    })(),
  );
  await began.promise;
  server.kill("SIGTERM");
  await server.until(/once more ends at once/);
  server.kill("SIGTERM");
  const { code, stderr } = await server.result();
  assert.equal(code, 1);
  assertPlainWords(stderr);
  await reading;
});

overLanes("a turn past the drain's time ends INTERRUPTED", lanes, {}, async ({ app, chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:5x0!hang@2" });
  let closing: Promise<void> | undefined;
  const types: ChatResponse_Type[] = [];
  const error = await failureOf(
    (async () => {
      for await (const event of chat.streamChat({ sessionId, message: "Go on" })) {
        types.push(event.type);
        if (event.type === ChatResponse_Type.CHUNK) closing ??= app.close();
        if (!event.isFinal) continue;
        assert.equal(event.finishReason, FinishReason.INTERRUPTED);
        assert.equal(event.retryable, true);
      }
    })(),
  );
  assertError(error, Code.Unavailable, "SERVER_STOPPED");
  assert.equal(types.at(-1), ChatResponse_Type.ERROR);
  await closing;
});

overLanes("an open Chat ends UNAVAILABLE when the server stops", bidiLanes, {}, async (context) => {
  const call = openChat(context.chat);
  await call.send({ type: ChatRequest_Type.PING });
  await call.firstOf(ChatResponse_Type.PONG);
  const closing = context.app.close();
  const error = await call.ended;
  assert.ok(error);
  const { retryMs } = assertError(error, Code.Unavailable, "SERVER_STOPPED");
  assert.equal(retryMs, 1_000);
  await closing;
});

test("a stream whose client is slow to read never ends as if it were whole", async (t) => {
  const app = await startApp(t);
  const session = await connectRaw(app);
  const stream = streamChatRaw(session, { message: "Go on", modelId: "scripted:2000x0!hang@2000" });
  await once(stream, "response");
  await until(() => stream.state.localWindowSize === 0);
  let status: unknown;
  stream.once("trailers", (trailers) => {
    status = trailers["grpc-status"];
  });
  const closing = app.close();
  await until(() => app.app.engine.isDraining());
  stream.resume();
  await whenClosed(stream);
  // In trailers where there was time for them, otherwise by a reset: never OK.
  assert.notEqual(Number(status ?? Code.Unavailable), 0);
  await closing;
});

test("closing with idle and active connections of both kinds ends in time", async (t) => {
  const app = await startApp(t);
  for (const lane of lanes.filter(({ tls }) => !tls)) {
    await connectLane(app, lane).chat.health({});
    const { chat } = connectLane(app, lane);
    const started = Promise.withResolvers<void>();
    const reading = (async () => {
      for await (const { type } of chat.streamChat({
        message: "Go on",
        modelId: "scripted:1x0!hang@1",
      })) {
        if (type === ChatResponse_Type.CHUNK) started.resolve();
      }
    })();
    reading.catch(() => undefined);
    await started.promise;
  }
  assert.ok(app.app.connections().sockets > 10);
  const sinceMs = performance.now();
  await app.close();
  assert.ok(performance.now() - sinceMs < 10_000);
  assert.equal(app.app.connections().sockets, 0);
});

test("a drain's time is given to what runs, and its reply is kept", async (t) => {
  const cwd = temporaryFolder(t);
  const first = await startServer(t, { cwd, env: { DRAIN_TIMEOUT_MS: "100" } });
  const { chat } = connectLane(first, grpc);
  const { sessionId } = await chat.createSession({ modelId: "scripted:5x0!hang@2" });
  const { error } = await collectFailing(
    (async function* () {
      for await (const event of chat.streamChat({ sessionId, message: "Go on" })) {
        if (event.chunkNumber === 2) first.kill("SIGTERM");
        yield event;
      }
    })(),
  );
  assert.equal(error.code, Code.Unavailable);
  assert.equal((await first.result()).code, 0);
  const second = await startServer(t, { cwd });
  const { messages } = await connectLane(second, grpc).chat.listMessages({ sessionId });
  const reply = messages[1];
  assert.deepEqual(
    [reply?.text, reply?.state, reply?.finishReason],
    ["w1 w2 ", Message_State.PARTIAL, FinishReason.INTERRUPTED],
  );
});
