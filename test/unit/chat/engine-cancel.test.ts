import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { createCall } from "../../support/calls.ts";
import { allMessages, endOf, openEngine, recordedEvents, take } from "../../support/engine.ts";
import { createFakeTimers } from "../../support/fake-timers.ts";
import { createFaulty } from "../../support/faults.ts";
import { settle, until } from "../../support/loops.ts";
import { deafAfter, finish, saying, textPart, waitingAfter } from "../../support/models.ts";

describe("cancelling a turn", () => {
  for (const [name, silent] of Object.entries({ good: waitingAfter, deaf: deafAfter })) {
    it(`keeps the partial reply of a ${name} model, and answers when the end is recorded`, async (t) => {
      const { store, log, start, answerWith, readTurn, cancel } = await openEngine(t);
      answerWith(silent("Hel", "lo"));
      const turn = await start();
      for await (const event of readTurn(turn)) {
        if (event.type !== "chunk" || event.number !== 2) continue;
        const answer = await cancel(turn.sessionId, turn.turnId);
        assert.deepEqual(answer, { cancelled: true, turnId: turn.turnId });
        const end = endOf(await recordedEvents(log, turn.sessionId));
        assert.deepEqual(
          [end.finishReason, end.error, end.totalChunks],
          ["cancelled", undefined, 2],
        );
        assert.equal(end.usage.estimated, true);
      }
      const [, reply] = await allMessages(store, turn.sessionId);
      assert.deepEqual([reply?.parts, reply?.state], [[textPart("Hello")], "partial"]);
    });
  }

  it("reaches the model's signal before anything is recorded", async (t) => {
    const { engine, start, answerWith, cancel } = await openEngine(t);
    const aborted = Promise.withResolvers<void>();
    const called = Promise.withResolvers<void>();
    answerWith(async function* (_request, signal) {
      signal.addEventListener("abort", () => aborted.resolve());
      called.resolve();
      yield textPart("a");
      await new Promise<never>(() => {});
    });
    const { sessionId } = await start();
    await called.promise;
    const answer = cancel(sessionId);
    await aborted.promise;
    assert.equal(engine.runningTurns(), 1);
    assert.equal((await answer).cancelled, true);
  });

  it("finds the turn by its request, also without the session, and not another's", async (t) => {
    const { start, cancel, createSession } = await openEngine(t, { generate: waitingAfter() });
    const other = await createSession();
    const { turnId } = await start({ requestId: "r" });
    assert.deepEqual(await cancel(other, "", "none"), { cancelled: false, turnId: "" });
    assert.equal((await cancel(other, "", "r")).cancelled, false);
    assert.deepEqual(await cancel("", "", "r"), { cancelled: true, turnId });
  });

  it("does not overtake the message that it follows", async (t) => {
    const { port: store, hold, calls } = createFaulty(createMemoryStore());
    const generate = waitingAfter();
    const { start, cancel, createSession } = await openEngine(t, { store, generate });
    const sessionId = await createSession();
    const release = hold("acquireTurn");
    const starting = start({ sessionId });
    await until(() => calls.includes("acquireTurn"));
    const answer = cancel(sessionId);
    await settle();
    release();
    const { turnId } = await starting;
    assert.deepEqual(await answer, { cancelled: true, turnId });
  });

  it("gives every caller the same answer when it is done twice", async (t) => {
    const { log, start, answerWith, cancel } = await openEngine(t);
    answerWith(waitingAfter("a"));
    const { sessionId, turnId } = await start();
    const answers = await Promise.all([cancel(sessionId), cancel(sessionId, turnId)]);
    assert.deepEqual(answers, [
      { cancelled: true, turnId },
      { cancelled: true, turnId },
    ]);
    const ends = (await recordedEvents(log, sessionId)).filter(({ type }) => type === "end");
    assert.equal(ends.length, 1);
  });

  it("is no error, and cancels nothing, after the end or for another turn", async (t) => {
    const { engine, start, answerWith, read, cancel } = await openEngine(t);
    const turn = await start();
    await read(turn);
    const { sessionId, turnId } = turn;
    const none = { cancelled: false, turnId };
    assert.deepEqual(await cancel(sessionId, turnId), none);
    answerWith(waitingAfter());
    await start({ sessionId });
    assert.deepEqual(await cancel(sessionId, turnId), none);
    assert.equal(engine.runningTurns(), 1);
  });

  it("is refused by the end that was there first", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { engine, start, read, cancel } = await openEngine(t, { store });
    const release = hold("endTurn");
    const turn = await start();
    const events = read(turn);
    await until(async () => (await engine.lastSequence(turn.sessionId)) === 4);
    const answer = cancel(turn.sessionId);
    await settle();
    release();
    assert.deepEqual(await answer, { cancelled: false, turnId: turn.turnId });
    assert.equal(endOf(await events).finishReason, "stop");
  });

  it("while the context is built never calls the model", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const generate = t.mock.fn(saying("a", finish));
    const { start, read, cancel } = await openEngine(t, { store, generate });
    const release = hold("listMessages");
    const turn = await start();
    const answer = cancel(turn.sessionId, turn.turnId);
    await settle();
    release();
    assert.equal((await answer).cancelled, true);
    assert.equal(generate.mock.callCount(), 0);
    const events = await read(turn);
    assert.ok(events.some((event) => "userMessage" in event && event.userMessage));
    assert.deepEqual([endOf(events).finishReason, endOf(events).messageCount], ["cancelled", 1]);
  });

  it("lets the next turn start at once, with what had arrived in its context", async (t) => {
    const { start, answerWith, ask, readTurn, cancel } = await openEngine(t);
    answerWith(waitingAfter("par"));
    const turn = await start();
    for await (const event of readTurn(turn)) {
      if (event.type === "chunk") void cancel(turn.sessionId);
    }
    answerWith(saying("ok", finish));
    const [status] = await ask({ sessionId: turn.sessionId });
    assert.equal(status?.type === "status" && status.contextMessages, 3);
  });
});

describe("a call that is over", () => {
  it("cancels its turn when it was cancelled, and the request left that open", async (t) => {
    const { ended, call, start, answerWith, read } = await openEngine(t);
    answerWith(waitingAfter("par"));
    const reading = read(await start());
    call.cancel();
    await assert.rejects(reading, { message: "reset" });
    await until(() => ended.length === 1);
    assert.equal(ended[0]?.finishReason, "cancelled");
  });

  it("leaves its turn its grace when it was lost, or the request said what then", async (t) => {
    const timers = createFakeTimers(t);
    const { ended, engine, start } = await openEngine(t, { generate: waitingAfter(), timeouts });
    const [lost, cancelled] = [createCall(), createCall()];
    await start({}, lost);
    await start({ onDisconnect: "grace" }, cancelled);
    lost.lose();
    cancelled.cancel();
    await settle();
    timers.tick(29_999);
    await settle();
    assert.deepEqual([ended.length, engine.runningTurns()], [0, 2]);
    timers.tick(1);
    await until(() => ended.length === 2);
    assert.ok(ended.every(({ finishReason }) => finishReason === "cancelled"));
    timers.restore();
  });

  it("is replaced by a watcher, until that leaves too", async (t) => {
    const timers = createFakeTimers(t);
    const { ended, start, watch } = await openEngine(t, { generate: waitingAfter(), timeouts });
    const [lost, watcher] = [createCall(), createCall()];
    const { sessionId } = await start({}, lost);
    const watching = watch({ sessionId }, watcher);
    await take(watching, 1);
    lost.lose();
    await settle();
    timers.tick(60_000);
    await settle();
    assert.equal(ended.length, 0);
    watcher.cancel();
    await settle();
    assert.equal(ended.length, 0);
    timers.tick(30_000);
    await until(() => ended.length === 1);
    assert.equal(ended[0]?.finishReason, "cancelled");
    timers.restore();
  });

  it("was so before its turn had started: with on_disconnect CANCEL no model is called", async (t) => {
    const generate = t.mock.fn(saying("a", finish));
    const { ended, start } = await openEngine(t, { generate });
    const gone = createCall();
    gone.lose();
    await start({ onDisconnect: "cancel" }, gone);
    await until(() => ended.length === 1);
    assert.equal(ended[0]?.finishReason, "cancelled");
    assert.equal(generate.mock.callCount(), 0);
  });

  it("lets a turn that is to continue run to its end", async (t) => {
    const { ended, call, start, answerWith, texts } = await openEngine(t);
    const goOn = Promise.withResolvers<void>();
    answerWith(async function* () {
      yield textPart("Hel");
      await goOn.promise;
      yield textPart("lo");
      yield finish;
    });
    const turn = await start({ onDisconnect: "continue" });
    call.cancel();
    await settle();
    goOn.resolve();
    await until(() => ended.length === 1);
    assert.equal(ended[0]?.finishReason, "stop");
    assert.deepEqual(await texts(turn.sessionId), ["user: Hi", "model: Hello"]);
  });

  it("cancels what of it runs and what waits", async (t) => {
    const { ended, start, createSession } = await openEngine(t, { generate: waitingAfter() });
    const sessionId = await createSession();
    const [stream, other] = [createCall(), createCall()];
    await start({ sessionId }, stream);
    await start({ sessionId }, stream);
    const { turnId } = await start({ sessionId }, other);
    stream.cancel();
    await until(() => ended.length === 2);
    await settle();
    assert.ok(ended.every((end) => end.turnId !== turnId && end.finishReason === "cancelled"));
  });

  it("changes nothing after the end", async (t) => {
    const { ended, call, ask } = await openEngine(t);
    await ask();
    call.cancel();
    await settle();
    assert.deepEqual(
      ended.map(({ finishReason }) => finishReason),
      ["stop"],
    );
  });
});

/** Longer than any grace. */
const timeouts = {
  firstChunkTimeoutMs: 600_000,
  idleChunkTimeoutMs: 600_000,
  turnTimeoutMs: 600_000,
};
