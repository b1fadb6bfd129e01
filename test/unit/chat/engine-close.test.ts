import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anonymous } from "../../../src/chat/session.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import {
  createFaulty,
  endOf,
  openEngine,
  openMemoryLog,
  readAll,
  recordedEvents,
} from "../../support/engine.ts";
import { createFakeTimers } from "../../support/fake-timers.ts";
import { deafAfter, finish, textPart, waitingAfter } from "../../support/models.ts";

const draining = { kind: "unavailable", reason: "SERVER_DRAINING", retryable: true };

describe("a draining engine", () => {
  it("refuses new turns, and lets running ones be read and cancelled", async (t) => {
    const { engine, start, answerWith } = await openEngine(t);
    answerWith(waitingAfter("a"));
    const turn = await start();
    const reading = readAll(turn);
    engine.drain();
    await assert.rejects(start(), draining);
    await assert.rejects(start({ sessionId: turn.sessionId }), draining);
    assert.equal((await engine.cancelTurn(anonymous, turn.sessionId, "")).cancelled, true);
    assert.equal(endOf(await reading).finishReason, "cancelled");
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
      const { engine, start, answerWith, texts } = await openEngine(t);
      answerWith(silent("par"));
      const turn = await start();
      const reading = turn.events()[Symbol.asyncIterator]();
      for (let count = 0; count < 3; count += 1) await reading.next();
      await engine.close(0);
      const { value: end } = (await reading.next()) as { value: ReturnType<typeof endOf> };
      assert.equal(end.finishReason, "interrupted");
      assert.deepEqual([end.error?.kind, end.error?.retryable], ["unavailable", true]);
      assert.deepEqual(await texts(turn.sessionId), ["user: Hi", "model: par"]);
    });
  }

  it("ends a turn that was still being started when the grace was over", async (t) => {
    const timers = createFakeTimers(t);
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { engine, ended, start, answerWith } = await openEngine(t, { store });
    answerWith(waitingAfter());
    const release = hold("acquireTurn");
    const starting = start();
    const closing = engine.close(1_000);
    timers.tick(1_000);
    await new Promise((resolve) => setImmediate(resolve));
    release();
    await starting;
    await closing;
    assert.deepEqual([engine.runningTurns(), ended[0]?.finishReason], [0, "interrupted"]);
  });

  it("gives up a turn whose end no storage takes, and leaves it to the next start", async (t) => {
    const timers = createFakeTimers(t);
    const memory = createMemoryStore();
    const { port: log, fail, mend } = createFaulty(await openMemoryLog());
    const first = await openEngine(t, { store: memory, log });
    first.answerWith(waitingAfter("par"));
    const turn = await first.start();
    const reading = turn.events()[Symbol.asyncIterator]();
    for (let count = 0; count < 3; count += 1) await reading.next();
    fail("append");
    const closing = first.engine.close(1_000);
    for (const ms of [1_000, 2_000]) {
      timers.tick(ms);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await closing;
    assert.equal(first.engine.runningTurns(), 0);
    await assert.rejects(reading.next(), { reason: "STORAGE_UNAVAILABLE" });
    mend("append");

    const second = await openEngine(t, { store: memory, log });
    await second.engine.recover();
    assert.deepEqual(await second.texts(turn.sessionId), ["user: Hi", "model: par"]);
    const events = await recordedEvents(log, turn.sessionId);
    assert.deepEqual(
      [endOf(events).finishReason, endOf(events).sequence, events.length],
      ["interrupted", 4, 4],
    );
  });
});
