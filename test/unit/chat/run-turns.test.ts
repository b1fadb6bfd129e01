import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ChatError } from "../../../src/chat/errors.ts";
import { anonymous } from "../../../src/chat/session.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { createCall } from "../../support/calls.ts";
import { endOf, kindsOf, openEngine, openMemoryLog, replyText } from "../../support/engine.ts";
import { createFakeTimers } from "../../support/fake-timers.ts";
import { createFaulty } from "../../support/faults.ts";
import { settle, until } from "../../support/loops.ts";
import { finish, saying, textPart, waitingAfter } from "../../support/models.ts";

describe("cancelling a turn that waits", () => {
  it("ends it CANCELLED without a run, told to its readers, and its message is gone", async (t) => {
    const generate = t.mock.fn(waitingAfter("one"));
    const { engine, start, read, cancel, texts, ended } = await openEngine(t, { generate });
    const first = await start({ parts: [textPart("1")] });
    const { sessionId } = first;
    const second = await start({ sessionId, parts: [textPart("2")] });
    const third = await start({ sessionId, parts: [textPart("3")] });
    const reading = read(second);
    const answer = await cancel(sessionId, second.turnId);
    assert.deepEqual(answer, { cancelled: true, turnId: second.turnId });
    const events = await reading;
    assert.deepEqual(kindsOf(events), ["turn_queued", "end"]);
    const { finishReason, usage, totalChunks, userMessage } = endOf(events);
    assert.deepEqual(
      [finishReason, usage.totalTokens, totalChunks, userMessage],
      ["cancelled", 0, 0, undefined],
    );
    assert.deepEqual(await texts(sessionId), ["user: 1", "[queued] user: 3"]);
    assert.deepEqual((await engine.getSession(anonymous, sessionId)).queuedTurnIds, [third.turnId]);
    assert.deepEqual([generate.mock.callCount(), ended.length], [1, 1]);
  });

  it("leaves it out of the context of those behind it", async (t) => {
    const given: string[][] = [];
    const { start, read, cancel, answerWith } = await openEngine(t, { generate: waitingAfter() });
    const first = await start({ parts: [textPart("1")] });
    const { sessionId } = first;
    const second = await start({ sessionId, parts: [textPart("2")] });
    const third = await start({ sessionId, parts: [textPart("3")] });
    await cancel(sessionId, second.turnId);
    answerWith((request, signal) => {
      given.push(request.messages.map(({ parts }) => parts[0]?.text ?? ""));
      return saying("ok", finish)(request, signal);
    });
    await cancel(sessionId, first.turnId);
    await read(third);
    assert.deepEqual(given, [["3"]]);
  });

  it("gives every caller the same answer, by the turn's id or the request's", async (t) => {
    const { start, cancel, recorded } = await openEngine(t, { generate: waitingAfter() });
    const { sessionId } = await start();
    const { turnId } = await start({ sessionId, requestId: "r" });
    const answers = await Promise.all([
      cancel(sessionId, turnId),
      cancel(sessionId, "", "r"),
      cancel(sessionId, turnId),
    ]);
    for (const answer of answers) assert.deepEqual(answer, { cancelled: true, turnId });
    const ends = (await recorded(sessionId)).filter(({ type }) => type === "end");
    assert.equal(ends.length, 1);
  });

  it("that begins to run in the same moment cancels its run", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { start, read, cancel, answerWith } = await openEngine(t, { store });
    answerWith(waitingAfter());
    const first = await start();
    const { sessionId } = first;
    const second = await start({ sessionId });
    const release = hold("acquireTurn");
    await cancel(sessionId, first.turnId);
    await settle();
    const answer = cancel(sessionId, second.turnId);
    await settle();
    release();
    assert.equal((await answer).cancelled, true);
    assert.equal(endOf(await read(second)).finishReason, "cancelled");
  });

  it("tells its end once the store has it", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { start, watch, cancel } = await openEngine(t, { store, generate: waitingAfter() });
    const { sessionId } = await start();
    const { turnId } = await start({ sessionId });
    const call = createCall();
    let told = false;
    const watching = (async () => {
      for await (const event of watch({ sessionId }, call)) {
        if (event.type === "end" && event.turnId === turnId) return;
      }
    })().then(() => {
      told = true;
    });
    const release = hold("endTurn");
    const answer = cancel(sessionId, turnId);
    await settle();
    assert.equal(told, false);
    release();
    await Promise.all([answer, watching]);
    call.lose();
  });

  it("fails with the store, and the turn waits on", async (t) => {
    const { port: store, fail, mend } = createFaulty(createMemoryStore());
    const { start, read, cancel, answerWith, ended } = await openEngine(t, { store });
    answerWith(waitingAfter());
    const first = await start();
    const { sessionId } = first;
    const second = await start({ sessionId });
    const reading = read(second);
    fail("withdrawTurn");
    await assert.rejects(cancel(sessionId, second.turnId), { reason: "STORAGE_UNAVAILABLE" });
    mend("withdrawTurn");
    answerWith(saying("ok", finish));
    await cancel(sessionId, first.turnId);
    await until(() => ended.length === 2);
    assert.equal(replyText(await reading), "ok");
  });
});

describe("a turn that waits and that nobody reads", () => {
  it("is cancelled when its grace is over, and the one that runs is not", async (t) => {
    const timers = createFakeTimers(t);
    const minute = 60_000;
    const { start, ended, engine } = await openEngine(t, {
      generate: waitingAfter(),
      timeouts: { firstChunkTimeoutMs: minute, idleChunkTimeoutMs: minute, turnTimeoutMs: minute },
    });
    const running = await start({ onDisconnect: "continue" });
    const [lost, other] = [createCall(), createCall()];
    const { sessionId } = running;
    const waiting = await start({ sessionId }, lost);
    await start({ sessionId }, other);
    lost.lose();
    await settle();
    timers.tick(30_000);
    await until(() => ended.length === 1);
    assert.deepEqual([ended[0]?.turnId, ended[0]?.finishReason], [waiting.turnId, "cancelled"]);
    const session = await engine.getSession(anonymous, sessionId);
    assert.deepEqual([session.runningTurnId, session.queuedTurnIds.length], [running.turnId, 1]);
    timers.restore();
  });
});

describe("the queue", () => {
  it("goes on when a turn fails, in the order in which the turns came", async (t) => {
    const { start, read, texts, answerWith, cancel } = await openEngine(t);
    answerWith(waitingAfter());
    const first = await start({ parts: [textPart("1")] });
    const { sessionId } = first;
    const turns = [];
    for (const text of ["2", "3", "4"])
      turns.push(await start({ sessionId, parts: [textPart(text)] }));
    answerWith(async function* () {
      yield textPart("par");
      throw new Error("broken");
    });
    await cancel(sessionId, first.turnId);
    for (const turn of turns) assert.equal(endOf(await read(turn)).finishReason, "failed");
    assert.deepEqual(await texts(sessionId), [
      "user: 1",
      "user: 2",
      "[partial] model: par",
      "user: 3",
      "[partial] model: par",
      "user: 4",
      "[partial] model: par",
    ]);
  });

  it("waits while the store fails, and goes on when it takes writes again", async (t) => {
    const timers = createFakeTimers(t);
    const { port: store, fail, mend } = createFaulty(createMemoryStore());
    const { start, read, cancel, answerWith, failures } = await openEngine(t, { store });
    answerWith(waitingAfter());
    const first = await start();
    const { sessionId } = first;
    const second = await start({ sessionId });
    const reading = read(second);
    fail("acquireTurn");
    answerWith(saying("ok", finish));
    await cancel(sessionId, first.turnId);
    await settle();
    assert.equal(failures.length, 1);
    for (let round = 0; round < 3; round += 1) {
      timers.tick(5_000);
      await settle();
    }
    mend("acquireTurn");
    timers.tick(5_000);
    assert.equal(replyText(await reading), "ok");
    timers.restore();
  });

  it("goes on after a turn that could not be ended for good", async (t) => {
    const { port: log, fail, mend } = createFaulty(await openMemoryLog());
    const { start, read, engine, failures } = await openEngine(t, { log });
    const stale = new ChatError("aborted", "STALE_FENCE", "another owner");
    fail("append", stale);
    const turn = await start();
    await assert.rejects(read(turn), stale);
    await until(() => engine.runningTurns() === 0);
    assert.deepEqual(failures.at(-1), stale);
    mend("append");
  });

  it("tells the principal's list when a session runs and when it is idle", async (t) => {
    const { start, watch, cancel, createSession, answerWith } = await openEngine(t);
    const sessionId = await createSession();
    const updates = watch({ sessionList: true });
    const seen: string[] = [];
    const reading = (async () => {
      for await (const update of updates) {
        if (!("updateType" in update) || update.updateType === "watching") continue;
        seen.push(update.updateType);
        if (update.updateType === "session_idle") return;
      }
    })();
    await settle();
    answerWith(waitingAfter());
    const first = await start({ sessionId });
    const second = await start({ sessionId });
    await cancel(sessionId, first.turnId);
    await settle();
    await cancel(sessionId, second.turnId);
    await reading;
    assert.deepEqual(seen, ["session_running", "session_running", "session_idle"]);
  });
});

describe("a fault of ours under a turn's end", () => {
  it("is told to the operator once and not repeated, and the log keeps the turn", async (t) => {
    const { port: store, fail, calls } = createFaulty(createMemoryStore());
    const log = await openMemoryLog({ retentionBytes: 1 });
    const { engine, start, read, failures } = await openEngine(t, { store, log });
    const fault = new TypeError("not a function");
    fail("endTurn", fault);
    const turn = await start();
    await assert.rejects(read(turn), ChatError);
    await until(() => engine.runningTurns() === 0);
    assert.deepEqual(failures, [fault]);
    assert.equal(calls.filter((name) => name === "endTurn").length, 1);
    await log.prune();
    assert.equal(await log.floor(turn.sessionId), 0);
  });
});
