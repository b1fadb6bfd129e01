import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { createCall } from "../../support/calls.ts";
import { endOf, openEngine, openMemoryLog, recordedEvents, take } from "../../support/engine.ts";
import { createFakeTimers } from "../../support/fake-timers.ts";
import { createFaulty } from "../../support/faults.ts";
import { settle, until } from "../../support/loops.ts";
import { deafAfter, finish, textPart, waitingAfter } from "../../support/models.ts";

const draining = { kind: "unavailable", reason: "SERVER_DRAINING", retryable: true };

describe("a draining engine", () => {
  it("refuses new turns, and lets running ones be read and cancelled", async (t) => {
    const { engine, start, answerWith, read, cancel } = await openEngine(t);
    answerWith(waitingAfter("a"));
    const turn = await start();
    const reading = read(turn);
    engine.drain();
    await assert.rejects(start(), draining);
    await assert.rejects(start({ sessionId: turn.sessionId }), draining);
    assert.equal((await cancel(turn.sessionId)).cancelled, true);
    assert.equal(endOf(await reading).finishReason, "cancelled");
  });
});

describe("a draining engine with turns that wait", () => {
  it("leaves them waiting when the one that runs has ended, and the next start runs them", async (t) => {
    const memory = createMemoryStore();
    const log = await openMemoryLog();
    const first = await openEngine(t, { store: memory, log, generate: waitingAfter() });
    const { sessionId, turnId } = await first.start({ requestId: "first" });
    const call = createCall();
    const waiting = await first.start({ sessionId, requestId: "second" }, call);
    first.engine.drain();
    // The server sends its callers away: that is no loss.
    call.lose();
    await first.cancel(sessionId, turnId);
    await first.engine.close(0);
    const unfinished = await memory.unfinishedTurns();
    assert.deepEqual(
      unfinished.map(({ turn, state }) => [turn.turnId, state]),
      [[waiting.turnId, "queued"]],
    );

    const second = await openEngine(t, { store: memory, log });
    await second.engine.recover();
    const again = await second.start({ sessionId, requestId: "second" });
    assert.equal(again.turnId, waiting.turnId);
    assert.equal(endOf(await second.read(again)).finishReason, "stop");
  });

  it("lets them be cancelled, watched and sent again", async (t) => {
    const { engine, start, read, watch, cancel } = await openEngine(t, {
      generate: waitingAfter(),
    });
    const { sessionId } = await start();
    const waiting = await start({ sessionId, requestId: "r" });
    engine.drain();
    const [watching] = await take(watch({ sessionId }), 1);
    assert.equal(watching?.type, "live_update");
    const again = await start({ sessionId, requestId: "r" });
    const reading = read(again);
    assert.equal((await cancel(sessionId, waiting.turnId)).cancelled, true);
    assert.equal(endOf(await reading).finishReason, "cancelled");
    assert.equal(engine.runningTurns(), 1);
  });

  it("refuses what would change the history, and interrupts nothing for it", async (t) => {
    const { engine, start, ended } = await openEngine(t, { generate: waitingAfter() });
    const { sessionId } = await start();
    engine.drain();
    await assert.rejects(start({ sessionId, type: "regenerate", parts: [] }), draining);
    await assert.rejects(start({ sessionId, onBusy: "interrupt" }), draining);
    await settle();
    assert.equal(ended.length, 0);
  });
});

describe("closing the engine", () => {
  it("takes no time when nothing runs, and may be repeated", async (t) => {
    const timers = t.mock.method(globalThis, "setTimeout");
    const { engine, start } = await openEngine(t);
    await engine.close(60_000);
    await engine.close(60_000);
    assert.equal(timers.mock.callCount(), 0);
    await assert.rejects(start(), draining);
  });

  it("lets a running turn finish in its grace, and no longer than that turn needs", async (t) => {
    const { engine, ended, start, answerWith } = await openEngine(t);
    const goOn = Promise.withResolvers<void>();
    answerWith(async function* () {
      yield textPart("Hel");
      await goOn.promise;
      yield finish;
    });
    await start();
    const closed = engine.close(60_000);
    goOn.resolve();
    await closed;
    assert.equal(ended[0]?.finishReason, "stop");
  });

  for (const [name, silent] of Object.entries({ good: waitingAfter, deaf: deafAfter })) {
    it(`ends what a ${name} model has not finished INTERRUPTED, its partial reply kept`, async (t) => {
      const { engine, start, answerWith, texts, readTurn } = await openEngine(t);
      answerWith(silent("par"));
      const turn = await start();
      const reading = readTurn(turn);
      for (let count = 0; count < 3; count += 1) await reading.next();
      await engine.close(0);
      const { value: end } = (await reading.next()) as { value: ReturnType<typeof endOf> };
      assert.equal(end.finishReason, "interrupted");
      assert.deepEqual([end.error?.kind, end.error?.retryable], ["unavailable", true]);
      assert.deepEqual(await texts(turn.sessionId), ["user: Hi", "[partial] model: par"]);
    });
  }

  it("ends a turn that was still being started when the grace was over", async (t) => {
    const timers = createFakeTimers(t);
    const { port: store, hold, calls } = createFaulty(createMemoryStore());
    const { engine, ended, start, answerWith } = await openEngine(t, { store });
    answerWith(waitingAfter());
    const release = hold("acquireTurn");
    const starting = start();
    await until(() => calls.includes("acquireTurn"));
    const closing = engine.close(1_000);
    timers.tick(1_000);
    await settle();
    release();
    await starting;
    await passing(timers, closing);
    assert.deepEqual([engine.runningTurns(), ended[0]?.finishReason], [0, "interrupted"]);
    timers.restore();
  });

  it("gives up a turn whose end no storage takes, and leaves it to the next start", async (t) => {
    const timers = createFakeTimers(t);
    const memory = createMemoryStore();
    const { port: log, fail, mend } = createFaulty(await openMemoryLog());
    const first = await openEngine(t, { store: memory, log });
    first.answerWith(waitingAfter("par "));
    const turn = await first.start();
    const reading = first.readTurn(turn);
    await take(reading, 3);
    fail("append");
    const failing = assert.rejects(reading.next(), { reason: "STORAGE_UNAVAILABLE" });
    await passing(timers, first.engine.close(1_000));
    timers.restore();
    await failing;
    assert.equal(first.engine.runningTurns(), 0);
    mend("append");

    const second = await openEngine(t, { store: memory, log });
    await second.engine.recover();
    assert.deepEqual(await second.texts(turn.sessionId), ["user: Hi", "[partial] model: par "]);
    const events = await recordedEvents(log, turn.sessionId);
    assert.deepEqual(
      [endOf(events).finishReason, endOf(events).sequence, events.length],
      ["interrupted", 4, 4],
    );
  });
});

/** Lets time pass until the promise has settled. */
async function passing(timers: ReturnType<typeof createFakeTimers>, promise: Promise<unknown>) {
  let isSettled = false;
  const mark = () => {
    isSettled = true;
  };
  promise.then(mark, mark);
  await until(async () => {
    timers.tick(1_000);
    await settle();
    return isSettled;
  });
}
