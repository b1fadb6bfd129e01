import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { localCaller } from "../../../src/chat/caller.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { createCall } from "../../support/calls.ts";
import { newSession, openEngine, take, turnRequest } from "../../support/engine.ts";
import { createFakeTimers } from "../../support/fake-timers.ts";
import { createFaulty } from "../../support/faults.ts";
import { finish, textPart } from "../../support/models.ts";

const dayMs = 24 * 60 * 60 * 1_000;

/** A clock that the test moves, and an engine whose sessions live for a day. */
async function openExpiring(t: TestContext, rest: object = {}) {
  const time = { now: 10 * dayMs };
  const timers = createFakeTimers(t);
  const clock = { now: () => time.now, monotonicMs: () => time.now };
  const opened = await openEngine(t, { clock, sessionTtlMs: dayMs, ...rest });
  await opened.engine.recover();
  return {
    ...opened,
    /** Lets time pass, and then the sweeps that are due run to their end. */
    async pass(ms: number) {
      time.now += ms;
      timers.tick(1.5 * ms);
      await settled();
    },
    timers,
    ids: async () => {
      const page = { pageSize: 200, pageToken: "", query: "" };
      const { items } = await opened.engine.listSessions(localCaller, page);
      return items.map(({ sessionId }) => sessionId);
    },
  };
}

/** Everything in memory has been done. */
async function settled(): Promise<void> {
  for (let round = 0; round < 500; round += 1) await new Promise<void>((go) => setImmediate(go));
}

test("a session that nobody changes for its time to live is deleted, others stay", async (t) => {
  const { createSession, pass, ids, expired } = await openExpiring(t);
  await createSession();
  await pass(dayMs / 2);
  const younger = await createSession();
  assert.equal((await ids()).length, 2);
  await pass(dayMs / 2 + 1);
  assert.deepEqual(await ids(), [younger]);
  assert.deepEqual(expired, [1]);
});

test("without a time to live nothing is looked for", async (t) => {
  const { timers, createSession, pass, ids } = await openExpiring(t, { sessionTtlMs: 0 });
  const sessionId = await createSession();
  await pass(1_000 * dayMs);
  assert.deepEqual(await ids(), [sessionId]);
  assert.equal(timers.running(), 0);
});

test("who watches the list hears of it, and a request id outlives its session", async (t) => {
  const { engine, watch, pass, createSession } = await openExpiring(t);
  const settings = newSession({ requestId: "mine" });
  const { sessionId } = await engine.createSession(localCaller, settings);
  await pass(dayMs / 2);
  const list = watch({ sessionId: await createSession(), sessionList: true }, createCall());
  await take(list, 2);
  await pass(dayMs / 2 + 1);
  const [told] = await take(list, 1);
  assert.equal(told && "updateType" in told && told.updateType, "session_deleted");
  assert.equal(told && "data" in told && told.data.session_id, sessionId);
  await assert.rejects(engine.createSession(localCaller, settings), { kind: "not_found" });
});

test("a session stays while somebody watches or reads it, or a turn runs or waits in it", async (t) => {
  const gate = Promise.withResolvers<void>();
  const generate = async function* () {
    yield textPart("Hello");
    await gate.promise;
    yield finish;
  };
  const timeouts = {
    firstChunkTimeoutMs: 100 * dayMs,
    idleChunkTimeoutMs: 100 * dayMs,
    turnTimeoutMs: 100 * dayMs,
  };
  const opened = await openExpiring(t, { generate, timeouts, disconnectGraceMs: 100 * dayMs });
  const { engine, createSession, start, pass, ids, expired } = opened;
  const watched = await createSession();
  const busy = await createSession();
  const watcher = createCall();
  const stream = opened.watch({ sessionId: watched }, watcher);
  await take(stream, 2);
  await start({ sessionId: busy });
  await engine.startTurn(localCaller, turnRequest({ sessionId: busy }), createCall());
  await pass(dayMs + 1);
  assert.deepEqual((await ids()).toSorted(), [watched, busy].toSorted());
  gate.resolve();
  watcher.lose();
  await stream.return(undefined);
  await settled();
  await pass(dayMs + 1);
  assert.deepEqual(await ids(), []);
  assert.equal(
    expired.reduce((sum, count) => sum + count, 0),
    2,
  );
});

test("a sweep is bounded, and what is left goes soon after; sessions that stay are no obstacle", async (t) => {
  const { createSession, watch, pass, ids, expired } = await openExpiring(t);
  const stays: string[] = [];
  for (let index = 0; index < 120; index += 1) {
    const sessionId = await createSession();
    stays.push(sessionId);
    await take(watch({ sessionId }), 2);
  }
  for (let index = 0; index < 130; index += 1) await createSession();
  await pass(dayMs + 1);
  assert.deepEqual(expired, [100]);
  await pass(1_000);
  assert.deepEqual(expired, [100, 30]);
  assert.deepEqual(new Set(await ids()), new Set(stays));
});

test("a storage that refuses is told of, and tried again", async (t) => {
  const { port: store, ...faults } = createFaulty(createMemoryStore());
  const { createSession, pass, ids, failures } = await openExpiring(t, { store });
  await createSession();
  faults.fail("listExpired", new Error("no"), 1);
  await pass(dayMs + 1);
  assert.deepEqual(failures, [new Error("no")]);
  assert.equal((await ids()).length, 1);
  await pass(dayMs);
  assert.deepEqual(await ids(), []);
});

test("no sweep begins once the engine drains", async (t) => {
  const { engine, timers, createSession, pass, ids } = await openExpiring(t);
  await createSession();
  engine.drain();
  assert.equal(timers.running(), 0);
  await pass(2 * dayMs);
  assert.equal((await ids()).length, 1);
});
