import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { callJson } from "../../support/app.ts";
import { bearer, createKeyRing, startAuthApp, untilStatus } from "../../support/auth.ts";
import type { TestKey } from "../../support/keys.ts";
import { connectLane, type Lane, plainLanes } from "../../support/lanes.ts";
import { openWatch } from "../../support/stream-call.ts";
import { assertError, collect, failureOf, replyOf } from "../../support/wire.ts";

const say = { modelId: "scripted:say" };
const options = (key: TestKey) => ({ headers: bearer(key) });

for (const lane of plainLanes) {
  test(`a key is replaced by another of its principal, and nothing is lost (${lane.name})`, async (t) => {
    const app = await startAuthApp(t);
    const { chat } = connectLane(app, lane);
    const sent = { message: "Hi", requestId: "r1", ...say };
    const { sessionId, turnId } = await chat.sendMessage(sent, options(app.alice));
    const next = app.keys.create({ principal: "alice" });
    await untilStatus(app, next, 200);
    app.keys.revoke(app.alice);
    await untilStatus(app, app.alice, 401);
    const { sessions } = await chat.listSessions({}, options(next));
    assert.deepEqual(
      sessions.map((session) => session.sessionId),
      [sessionId],
    );
    const again = await chat.sendMessage(sent, options(next));
    assert.equal(again.turnId, turnId, "request_ids are the principal's, too");
    const seen = chat.watchSession({ sessionId, untilIdle: true }, options(next));
    assert.equal(replyOf(await collect(seen)), "Hi");
    const other = await failureOf(chat.getSessionInfo({ sessionId }, options(app.bob)));
    assertError(other, Code.NotFound, "SESSION_NOT_FOUND");
  });
}

test("the file of keys is followed while serving; a broken one changes nothing", async (t) => {
  const app = await startAuthApp(t);
  const late = app.keys.create();
  await untilStatus(app, late, 200);
  const good = app.alice;
  writeFileSync(app.keys.path, '{ "keys": [');
  assert.equal((await callJson(app, "Health", {}, bearer(good))).status, 200);
  app.keys.revoke(late);
  await untilStatus(app, late, 401);
  assert.equal((await callJson(app, "Health", {}, bearer(good))).status, 200);
  app.keys.change(late, {});
  await untilStatus(app, late, 200);
});

test("a key whose scopes are taken away may do no more than it still may", async (t) => {
  const app = await startAuthApp(t);
  const [lane] = plainLanes as [Lane];
  const { chat } = connectLane(app, lane);
  const watch = openWatch(chat, { sessionList: true }, options(app.alice));
  await watch.update("watching");
  app.keys.change(app.alice, { scopes: ["read"] });
  const error = await watch.ended;
  assert.ok(error);
  assertError(error, Code.Unauthenticated, "UNAUTHENTICATED");
  const refused = await failureOf(chat.createSession({}, options(app.alice)));
  assertError(refused, Code.PermissionDenied, "SCOPE_MISSING");
  await chat.listSessions({}, options(app.alice));
});

test("a key's own limits stand in place of the server's", async (t) => {
  const keys = createKeyRing(t);
  const large = keys.create({ limits: { sessionsMax: 3, streamsMax: 3 } });
  const none = keys.create({ limits: { sessionsMax: 0, streamsMax: 0 } });
  const env = { SESSIONS_PER_PRINCIPAL_MAX: "1", STREAMS_PER_PRINCIPAL_MAX: "1" };
  const app = await startAuthApp(t, { env }, keys);
  const [lane] = plainLanes as [Lane];
  const { chat } = connectLane(app, lane);
  for (const [key, most] of [
    [app.alice, 1],
    [large, 3],
    [none, 0],
  ] as const) {
    for (let count = 0; count < most; count += 1) {
      const { sessionId } = await chat.createSession(say, options(key));
      await chat.sendMessage({ sessionId, message: "Hi" }, options(key));
      const watch = openWatch(chat, { sessionId }, options(key));
      await watch.update("live");
      app.defer(async () => {
        watch.abort();
        await watch.ended;
      });
    }
    const tooMany = {
      TOO_MANY_SESSIONS: () => chat.createSession({}, options(key)),
      TOO_MANY_STREAMS: () => collect(chat.watchSession({ sessionList: true }, options(key))),
    };
    for (const [reason, call] of Object.entries(tooMany)) {
      assertError(await failureOf(call()), Code.ResourceExhausted, reason);
    }
  }
});

test("a key's own rate of turns stands in place of the server's", async (t) => {
  const keys = createKeyRing(t);
  const fast = keys.create({ limits: { turnsPerMinuteMax: 3 } });
  const none = keys.create({ limits: { turnsPerMinuteMax: 0 } });
  const app = await startAuthApp(t, { env: { TURNS_PER_MINUTE_MAX: "1" } }, keys);
  const [lane] = plainLanes as [Lane];
  const { chat } = connectLane(app, lane);
  for (const [key, most] of [
    [app.alice, 1],
    [fast, 3],
    [none, 0],
  ] as const) {
    const send = () => chat.sendMessage({ message: "Hi", ...say }, options(key));
    for (let count = 0; count < most; count += 1) await send();
    assertError(await failureOf(send()), Code.ResourceExhausted, "TOO_MANY_TURNS_PER_MINUTE");
  }
});
