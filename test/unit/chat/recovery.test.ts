import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../../src/chat/clock.ts";
import type { NewEvent } from "../../../src/chat/event.ts";
import { recoverTurns } from "../../../src/chat/recovery.ts";
import { anonymous } from "../../../src/chat/session.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import {
  allMessages,
  createFaulty,
  createTurn,
  endOf,
  openEngine,
  openMemoryLog,
  readAll,
  recordedEvents,
} from "../../support/engine.ts";
import { chunkEvent } from "../../support/events.ts";
import { textPart, thoughtPart } from "../../support/models.ts";

const sessionId = "session";

describe("recovery", () => {
  it("ends a running turn without an end INTERRUPTED, with what had arrived", async (t) => {
    const { store, log, crashed, recover } = await open(t);
    await crashed("one", [status, start, chunkEvent(1), thought]);
    await recover();
    const events = await recordedEvents(log, sessionId);
    const end = endOf(events);
    assert.deepEqual([events.length, end.sequence, end.finishReason], [5, 5, "interrupted"]);
    assert.deepEqual([end.error?.kind, end.error?.retryable], ["unavailable", true]);
    assert.deepEqual([end.totalChunks, end.firstChunkMs, end.messageCount], [2, 30, 2]);
    assert.deepEqual([end.usage.estimated, end.userMessage], [true, undefined]);
    const [question, reply] = await allMessages(store, sessionId);
    assert.equal(question?.state, "complete");
    assert.deepEqual(
      [reply?.state, reply?.messageId, reply?.parts],
      ["partial", end.messageId, [textPart("w1 "), thoughtPart("hm")]],
    );
  });

  it("gives a turn of which the log has nothing an end that carries its question", async (t) => {
    const { store, log, crashed, recover } = await open(t);
    await crashed("one", []);
    await recover();
    const end = endOf(await recordedEvents(log, sessionId));
    assert.deepEqual([end.sequence, end.messageCount], [1, 1]);
    assert.equal(end.userMessage?.turnId, "one");
    assert.deepEqual((await allMessages(store, sessionId)).length, 1);
  });

  it("stores an end that the log has as it is", async (t) => {
    const { store, log, crashed, recover } = await open(t);
    await crashed("one", [status, start, chunkEvent(1), end]);
    await recover();
    assert.equal(await log.lastSequence(sessionId), 4);
    const [, reply] = await allMessages(store, sessionId);
    assert.deepEqual(
      [reply?.finishReason, reply?.usage, reply?.createdAt, reply?.sequence],
      ["stop", end.usage, end.at, 4],
    );
    assert.deepEqual(reply?.parts, [{ ...textPart("w1 "), signature: "sig" }]);
  });

  it("ends a queued turn too, behind the one that ran, also when the clock went back", async (t) => {
    const { store, log, crashed, recover } = await open(t);
    await crashed("ran", [status], 5_000);
    await store.createTurn({ turn: createTurn({ turnId: "waited", createdAt: 1_000 }) });
    await recover();
    assert.deepEqual(await store.unfinishedTurns(), []);
    const ends = (await recordedEvents(log, sessionId)).filter(({ type }) => type === "end");
    assert.deepEqual(
      ends.map(({ turnId }) => turnId),
      ["ran", "waited"],
    );
  });

  it("ends every one of several queued turns", async (t) => {
    const { store, log, recover } = await open(t);
    for (const turnId of ["a", "b", "c"]) await store.createTurn({ turn: createTurn({ turnId }) });
    await recover();
    assert.deepEqual(await store.unfinishedTurns(), []);
    assert.equal(await log.lastSequence(sessionId), 3);
  });

  it("changes nothing when it is repeated", async (t) => {
    const { store, log, crashed, recover } = await open(t);
    await crashed("one", [status, start, chunkEvent(1)]);
    await recover();
    const before = [await recordedEvents(log, sessionId), await allMessages(store, sessionId)];
    await recover();
    assert.deepEqual(
      [await recordedEvents(log, sessionId), await allMessages(store, sessionId)],
      before,
    );
  });

  it("goes on where a crash cut it short: between the log's end and the store's", async (t) => {
    const { store, log, crashed } = await open(t);
    await crashed("one", [status, start, chunkEvent(1)]);
    const { port, fail } = createFaulty(store);
    fail("endTurn");
    const cut = recoverTurns({ store: port, log, clock: systemClock });
    await assert.rejects(cut, { reason: "STORAGE_UNAVAILABLE" });
    await recoverTurns({ store, log, clock: systemClock });
    assert.deepEqual(await store.unfinishedTurns(), []);
    const events = await recordedEvents(log, sessionId);
    assert.equal(events.filter(({ type }) => type === "end").length, 1);
  });

  it("lets a new turn start, its sequences after the recovered one's", async (t) => {
    const { store, log, crashed } = await open(t);
    await crashed("one", [status, start, chunkEvent(1)]);
    const { engine, start: startTurn } = await openEngine(t, { store, log });
    await engine.recover();
    const events = await readAll(await startTurn({ sessionId }));
    assert.equal(events[0]?.sequence, 5);
    assert.ok(events[0].type === "status");
    assert.equal(events[0].contextMessages, 3);
  });
});

const status: NewEvent = {
  type: "status",
  model: "test",
  contextMessages: 1,
  at: 1_000,
  elapsedMs: 0,
};
const thought: NewEvent = {
  type: "chunk",
  text: "hm",
  number: 2,
  thought: true,
  at: 1_040,
  elapsedMs: 40,
};
const start: NewEvent = {
  type: "start",
  model: "test",
  messageId: "one-reply",
  at: 1_030,
  elapsedMs: 30,
};
const end = {
  type: "end",
  finishReason: "stop",
  model: "test",
  messageId: "one-reply",
  usage: {
    inputTokens: 1,
    outputTokens: 2,
    thinkingTokens: 0,
    cachedTokens: 0,
    totalTokens: 3,
    estimated: false,
  },
  totalChunks: 1,
  messageCount: 2,
  firstChunkMs: 30,
  processingMs: 50,
  signature: "sig",
  at: 9_000,
  elapsedMs: 50,
} as const satisfies NewEvent;

/** Storage with a session in it, as a crash leaves it. */
async function open(t: { after(close: () => Promise<void>): void }) {
  const log = await openMemoryLog();
  t.after(() => log.close());
  const store = createMemoryStore();
  await store.createSession({
    sessionId,
    principal: anonymous,
    model: "test",
    title: "",
    systemInstruction: "",
    generation: {},
    metadata: {},
    createdAt: 1,
    updatedAt: 1,
  });
  return {
    store,
    log,
    recover: () => recoverTurns({ store, log, clock: systemClock }),
    /** A turn that was running, of which the log has these events. */
    async crashed(turnId: string, events: readonly NewEvent[], createdAt = 1_000) {
      await store.createTurn({ turn: createTurn({ turnId, createdAt }) });
      const acquired = await store.acquireTurn(sessionId, "crashed");
      assert.ok(typeof acquired === "object");
      const { fence } = acquired;
      if (events.length > 0) await log.append({ sessionId, turnId, fence, batch: 1, events });
    },
  };
}
