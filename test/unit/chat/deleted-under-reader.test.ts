import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../src/chat/clock.ts";
import { anonymous } from "../../../src/chat/session.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { openEngine, openMemoryLog } from "../../support/engine.ts";
import { createFaulty } from "../../support/faults.ts";

const notFound = { kind: "not_found", reason: "SESSION_NOT_FOUND" };

/** A session with one turn, which retention has removed from the log. */
async function openExpired(t: Parameters<typeof openEngine>[0]) {
  const store = createFaulty(createMemoryStore());
  const clock = { ...systemClock, now: () => Date.now() + laterMs };
  let laterMs = 0;
  const log = await openMemoryLog({ clock, retentionMs: 1_000 });
  const test = await openEngine(t, { store: store.port, log });
  const turn = await test.start({ requestId: "one" });
  await test.read(turn);
  laterMs = 10_000;
  await log.prune();
  assert.ok((await log.floor(turn.sessionId)) > 0);
  return { ...test, store, sessionId: turn.sessionId };
}

test("a watch that is still replaying a session when that is gone ends NOT_FOUND", async (t) => {
  const { engine, store, watch, sessionId } = await openExpired(t);
  const release = store.hold("turnsAfter");
  const items = watch({ sessionId });
  await items.next();
  const replayed = items.next();
  await engine.deleteSession(anonymous, sessionId);
  release();
  await assert.rejects(replayed, notFound);
});

test("a re-sent request that is still replaying when its session is gone ends NOT_FOUND", async (t) => {
  const { engine, store, start, readTurn, sessionId } = await openExpired(t);
  const turn = await start({ requestId: "one" });
  const release = store.hold("turnsAfter");
  const replayed = readTurn(turn).next();
  await engine.deleteSession(anonymous, sessionId);
  release();
  await assert.rejects(replayed, notFound);
});

test("a turn whose session is gone before anybody reads it ends NOT_FOUND", async (t) => {
  const { engine, start, readTurn } = await openEngine(t);
  const turn = await start();
  const events = readTurn(turn);
  await engine.deleteSession(anonymous, turn.sessionId);
  await assert.rejects(events.next(), notFound);
});
