import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anonymous } from "../../../src/chat/session.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import {
  allMessages,
  createFaulty,
  endOf,
  openEngine,
  readAll,
  recordedEvents,
} from "../../support/engine.ts";
import { deafAfter, finish, saying, textPart, waitingAfter } from "../../support/models.ts";

describe("cancelling a turn", () => {
  for (const [name, silent] of Object.entries({ good: waitingAfter, deaf: deafAfter })) {
    it(`keeps the partial reply of a ${name} model, and answers when the end is recorded`, async (t) => {
      const { engine, store, log, start, answerWith } = await openEngine(t);
      answerWith(silent("Hel", "lo"));
      const turn = await start();
      for await (const event of turn.events()) {
        if (event.type !== "chunk" || event.number !== 2) continue;
        const answer = await engine.cancelTurn(anonymous, turn.sessionId, turn.turnId);
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
    const { engine, start, answerWith } = await openEngine(t);
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
    const answer = engine.cancelTurn(anonymous, sessionId, "");
    await aborted.promise;
    assert.equal(engine.runningTurns(), 1);
    assert.equal((await answer).cancelled, true);
  });

  it("gives every caller the same answer when it is done twice", async (t) => {
    const { engine, log, start, answerWith } = await openEngine(t);
    answerWith(waitingAfter("a"));
    const { sessionId, turnId } = await start();
    const answers = await Promise.all([
      engine.cancelTurn(anonymous, sessionId, ""),
      engine.cancelTurn(anonymous, sessionId, turnId),
    ]);
    assert.deepEqual(answers, [
      { cancelled: true, turnId },
      { cancelled: true, turnId },
    ]);
    const ends = (await recordedEvents(log, sessionId)).filter(({ type }) => type === "end");
    assert.equal(ends.length, 1);
  });

  it("is no error, and cancels nothing, after the end or for another turn", async (t) => {
    const { engine, start, answerWith } = await openEngine(t);
    const turn = await start();
    await readAll(turn);
    const { sessionId, turnId } = turn;
    const none = { cancelled: false, turnId };
    assert.deepEqual(await engine.cancelTurn(anonymous, sessionId, turnId), none);
    answerWith(waitingAfter());
    await start({ sessionId });
    assert.deepEqual(await engine.cancelTurn(anonymous, sessionId, turnId), none);
    assert.equal(engine.runningTurns(), 1);
  });

  it("is refused by the end that was there first", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { engine, start } = await openEngine(t, { store });
    const release = hold("endTurn");
    const turn = await start();
    const events = readAll(turn);
    while ((await engine.lastSequence(turn.sessionId)) < 4) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const answer = engine.cancelTurn(anonymous, turn.sessionId, "");
    release();
    assert.deepEqual(await answer, { cancelled: false, turnId: turn.turnId });
    assert.equal(endOf(await events).finishReason, "stop");
  });

  it("while the context is built never calls the model", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const generate = t.mock.fn(saying("a", finish));
    const { engine, start } = await openEngine(t, { store, generate });
    const release = hold("listMessages");
    const turn = await start();
    const answer = engine.cancelTurn(anonymous, turn.sessionId, turn.turnId);
    await new Promise((resolve) => setImmediate(resolve));
    release();
    assert.equal((await answer).cancelled, true);
    assert.equal(generate.mock.callCount(), 0);
    const events = await readAll(turn);
    assert.ok(events.some((event) => "userMessage" in event && event.userMessage));
    assert.deepEqual([endOf(events).finishReason, endOf(events).messageCount], ["cancelled", 1]);
  });

  it("lets the next turn start at once, with what had arrived in its context", async (t) => {
    const { engine, start, answerWith } = await openEngine(t);
    answerWith(waitingAfter("par"));
    const turn = await start();
    for await (const event of turn.events()) {
      if (event.type === "chunk") void engine.cancelTurn(anonymous, turn.sessionId, "");
    }
    answerWith(saying("ok", finish));
    const [status] = await readAll(await start({ sessionId: turn.sessionId }));
    assert.equal(status?.type === "status" && status.contextMessages, 3);
  });
});

describe("a lost call", () => {
  it("cancels its turn", async (t) => {
    const { ended, engine, call, start, answerWith } = await openEngine(t);
    answerWith(waitingAfter("par"));
    const turn = await start();
    const reason = new Error("lost");
    const reading = readAll(turn);
    call.abort(reason);
    await assert.rejects(reading, reason);
    await engine.close(5_000);
    assert.equal(ended[0]?.finishReason, "cancelled");
  });

  it("before its turn has started leaves a cancelled turn and calls no model", async (t) => {
    const generate = t.mock.fn(saying("a", finish));
    const { ended, engine, start } = await openEngine(t, { generate });
    await start({}, AbortSignal.abort());
    await engine.close(5_000);
    assert.equal(ended[0]?.finishReason, "cancelled");
    assert.equal(generate.mock.callCount(), 0);
  });

  it("lets a turn that is to continue run to its end", async (t) => {
    const { ended, engine, call, start, answerWith, texts } = await openEngine(t);
    const goOn = Promise.withResolvers<void>();
    answerWith(async function* () {
      yield textPart("Hel");
      await goOn.promise;
      yield textPart("lo");
      yield finish;
    });
    const turn = await start({ onDisconnect: "continue" });
    call.abort();
    goOn.resolve();
    await engine.close(5_000);
    assert.equal(ended[0]?.finishReason, "stop");
    assert.deepEqual(await texts(turn.sessionId), ["user: Hi", "model: Hello"]);
  });

  it("after the end changes nothing", async (t) => {
    const { ended, call, start } = await openEngine(t);
    await readAll(await start());
    call.abort();
    assert.equal(ended[0]?.finishReason, "stop");
  });
});
