import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { callJson, request, startApp, type TestApp } from "../../support/app.ts";
import { bearer, startAuthApp } from "../../support/auth.ts";
import { connectLane, type Lane, plainLanes } from "../../support/lanes.ts";
import { openWatch } from "../../support/stream-call.ts";
import { assertError, collect, failureOf, replyOf } from "../../support/wire.ts";

type Fields = Record<string, string>;

const say = { modelId: "scripted:say" };
const open = { HOST: "0.0.0.0", ALLOW_ANONYMOUS: "1" };

/** What makes a caller one of many, and the settings under which it can come. */
const elsewhere: Record<string, { env: Fields; headers: Fields }> = {
  "a proxy names whom it serves": { env: {}, headers: { "x-forwarded-for": "192.0.2.7" } },
  "a proxy says so (RFC 7239)": { env: {}, headers: { forwarded: "for=192.0.2.7" } },
  "a proxy names itself": { env: {}, headers: { via: "1.1 proxy.example" } },
  "others can reach the server": { env: open, headers: {} },
};

async function assertShared({ chat }: ReturnType<typeof connectLane>, headers: Fields) {
  const options = { headers };
  const { sessionId } = await chat.createSession(say, options);
  const list = openWatch(chat, { sessionList: true }, options);
  await list.update("watching");
  const { text } = await chat.sendMessage({ sessionId, message: "Hi" }, options);
  const seen = await collect(chat.watchSession({ sessionId, untilIdle: true }, options));
  assert.deepEqual([text, replyOf(seen)], ["Hi", "Hi"], "a session is reached by its id");
  await chat.updateSession({ sessionId, title: "Mine" }, options);
  const { sessions, activeSessions } = await chat.listSessions({}, options);
  assert.deepEqual([sessions, activeSessions], [[], 0]);
  assert.equal((await chat.health({}, options)).activeSessions, 0);
  const stats = await chat.getServerStats({}, options);
  const counts = [stats.activeSessions, stats.totalSessionsCreated, stats.totalRequests];
  assert.deepEqual(counts, [0, 0, 0]);
  assert.equal(list.events.length, 1, "no list of sessions");
  list.abort();
  await list.ended;
  const short = { sessionId, message: "Hi", requestId: "x".repeat(21) };
  const { requestId } = short;
  for (const call of [
    () => chat.sendMessage(short, options),
    () => collect(chat.streamChat(short, options)),
    () => chat.createSession({ requestId }, options),
    () => chat.forkSession({ sessionId, requestId }, options),
  ]) {
    const error = await failureOf(call());
    const { fields } = assertError(error, Code.InvalidArgument, "INVALID_REQUEST");
    assert.deepEqual(fields, ["request_id"]);
  }
  const long = { ...short, requestId: randomUUID() };
  const first = await chat.sendMessage(long, options);
  assert.equal((await chat.sendMessage(long, options)).turnId, first.turnId);
}

for (const lane of plainLanes) {
  for (const [why, { env, headers }] of Object.entries(elsewhere)) {
    test(`anonymous callers share no list when ${why} (${lane.name})`, async (t) => {
      const app = await startApp(t, { env });
      await assertShared(connectLane(app, lane), headers);
    });
  }

  test(`with nothing configured whoever is on this machine has it all (${lane.name})`, async (t) => {
    const { chat } = connectLane(await startApp(t), lane);
    const { sessionId } = await chat.createSession(say);
    const { text } = await chat.sendMessage({ sessionId, message: "Hi", requestId: "1" });
    const { sessions, activeSessions } = await chat.listSessions({});
    assert.deepEqual([text, sessions.length, activeSessions], ["Hi", 1, 1]);
    const stats = await chat.getServerStats({});
    assert.deepEqual([stats.totalRequests, stats.totalSessionsCreated], [1, 1]);
  });
}

test("a caller by another name than this machine's is one of many", async (t) => {
  const app = await startApp(t, { env: { ALLOWED_HOSTS: "chat.example" } });
  const list = async (host: string) => {
    const { json } = await callJson(app, "ListSessions", {}, { host });
    return json.activeSessions ?? 0;
  };
  await callJson(app, "CreateSession", {});
  for (const host of ["localhost", `127.0.0.1:${app.port}`, "[::1]:80", "app.localhost."]) {
    assert.equal(await list(host), 1, host);
  }
  assert.equal(await list("chat.example"), 0);
  assert.equal(await list(`CHAT.example:${app.port}`), 0);
});

test("beside keys, ALLOW_ANONYMOUS lets in who shows nothing, and nobody with a bad key", async (t) => {
  const app = await startAuthApp(t, { env: { ALLOW_ANONYMOUS: "1" } });
  const [lane] = plainLanes as [Lane];
  await assertShared(connectLane(app, lane), {});
  const bad = await callJson(app, "ListSessions", {}, { authorization: "Bearer x" });
  assert.equal(bad.status, 401);
  const { json } = await callJson(app, "CreateSession", {}, bearer(app.alice));
  const { sessionId } = json;
  assert.equal((await callJson(app, "GetSessionInfo", { sessionId })).status, 404);
  assert.equal((await request(app, { path: "/metrics" })).status, 403);
});

/** The HTTP status of a stream from that address; it stays open. */
async function openFrom(app: TestApp, lane: Lane, forwardedFor: string) {
  const headers = { "x-forwarded-for": forwardedFor };
  const watch = openWatch(connectLane(app, lane).chat, { sessionList: true }, { headers });
  const opened = watch.update("watching").then(
    () => "open",
    () => "refused",
  );
  app.defer(async () => {
    watch.abort();
    await watch.ended;
  });
  return { opened: await opened, watch };
}

test("anonymous callers are counted by the network that a trusted proxy names", async (t) => {
  const env = { ...open, STREAMS_PER_PRINCIPAL_MAX: "1", TRUSTED_PROXIES: "127.0.0.1" };
  const app = await startApp(t, { env });
  const [lane] = plainLanes as [Lane];
  const from = async (address: string) => (await openFrom(app, lane, address)).opened;
  assert.equal(await from("192.0.2.7"), "open");
  assert.equal(await from("192.0.2.8"), "open");
  assert.equal(await from("192.0.2.7"), "refused");
  // What stands before what the proxy has added is the caller's own invention.
  assert.equal(await from("203.0.113.1, 192.0.2.8"), "refused");
  assert.equal(await from("2001:db8:1:2::1"), "open");
  assert.equal(await from("2001:db8:1:2:ffff::9"), "refused");
});

test("what others than trusted proxies say of addresses does not count", async (t) => {
  const app = await startApp(t, { env: { ...open, STREAMS_PER_PRINCIPAL_MAX: "1" } });
  const [lane] = plainLanes as [Lane];
  assert.equal((await openFrom(app, lane, "192.0.2.7")).opened, "open");
  const { opened, watch } = await openFrom(app, lane, "192.0.2.8");
  assert.equal(opened, "refused");
  const error = await watch.ended;
  assert.ok(error);
  assertError(error, Code.ResourceExhausted, "TOO_MANY_STREAMS");
});
