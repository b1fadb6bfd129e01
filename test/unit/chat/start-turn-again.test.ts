import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { localCaller } from "../../../src/chat/caller.ts";
import { anonymous } from "../../../src/chat/session.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { callerOf } from "../../support/caller.ts";
import { createCall } from "../../support/calls.ts";
import { endOf, kindsOf, openEngine, replyText, take, turnRequest } from "../../support/engine.ts";
import { createFaulty } from "../../support/faults.ts";
import { settle, until } from "../../support/loops.ts";
import { finish, saying, textPart, waitingAfter } from "../../support/models.ts";

const requestId = "request";

describe("a request that is sent again", () => {
  it("joins the turn while it runs, and gets all of it", async (t) => {
    const goOn = Promise.withResolvers<void>();
    const generate = t.mock.fn(async function* () {
      yield textPart("Hel");
      await goOn.promise;
      yield textPart("lo");
      yield finish;
    });
    const { start, read, readTurn, createSession } = await openEngine(t, { generate });
    const sessionId = await createSession();
    const first = await start({ sessionId, requestId });
    const before = await take(readTurn(first), 3);
    const again = await start({ sessionId, requestId }, createCall());
    assert.deepEqual(again, first);
    const reading = read(again);
    goOn.resolve();
    const events = await reading;
    assert.deepEqual(events.slice(0, 3), before);
    assert.deepEqual([replyText(events), generate.mock.callCount()], ["Hello", 1]);
  });

  it("joins the turn while it waits", async (t) => {
    const { engine, start, read, cancel, createSession, answerWith } = await openEngine(t);
    const sessionId = await createSession();
    answerWith(waitingAfter());
    const running = await start({ sessionId });
    const waiting = await start({ sessionId, requestId });
    const again = await start({ sessionId, requestId });
    assert.equal(again.turnId, waiting.turnId);
    const session = await engine.getSession(anonymous, sessionId);
    assert.deepEqual(session.queuedTurnIds, [waiting.turnId]);
    answerWith(saying("ok", finish));
    await cancel(sessionId, running.turnId);
    const kinds = ["turn_queued", "status", "start", "chunk", "end"];
    assert.deepEqual(kindsOf(await read(again)), kinds);
  });

  it("replays the turn that has ended, from what the caller has seen", async (t) => {
    const generate = t.mock.fn(saying("a", "b", finish));
    const { start, read, createSession, ask } = await openEngine(t, { generate });
    const sessionId = await createSession();
    await ask({ sessionId });
    const all = await ask({ sessionId, requestId });
    await ask({ sessionId });
    assert.deepEqual(await ask({ sessionId, requestId }), all);
    for (const [index, { sequence: afterSequence }] of all.entries()) {
      const turn = await start({ sessionId, requestId, afterSequence });
      assert.deepEqual(await read(turn), all.slice(index + 1));
      // Nothing is left to read: the end is told with the start.
      assert.equal(turn.toldEnd?.finishReason, index === all.length - 1 ? "stop" : undefined);
    }
    assert.equal(generate.mock.callCount(), 3);
  });

  it("runs the model once, however many calls race", async (t) => {
    const generate = t.mock.fn(saying("ok", finish));
    const { engine, start, read, createSession } = await openEngine(t, { generate });
    for (const sessionId of ["", await createSession()]) {
      generate.mock.resetCalls();
      const request = { sessionId, requestId: `races in ${sessionId}` };
      const turns = await Promise.all([1, 2, 3, 4].map(() => start(request)));
      for (const turn of turns) assert.deepEqual(turn, turns[0]);
      for (const turn of turns) assert.equal(replyText(await read(turn)), "ok");
      assert.equal(generate.mock.callCount(), 1);
    }
    assert.equal(await engine.countSessions(localCaller), 2);
    assert.equal(engine.stats().sessionsCreated, 2);
  });

  it("joins its twin whatever the session does when it is busy", async (t) => {
    const { start, read, ask, createSession, answerWith, ended } = await openEngine(t);
    const sessionId = await createSession();
    await ask({ sessionId });
    for (const onBusy of ["reject", "interrupt", "enqueue"] as const) {
      answerWith(saying("ok", finish));
      const request = { sessionId, requestId: onBusy, onBusy };
      const [one, other] = await Promise.all([start(request), start(request)]);
      assert.equal(one.turnId, other.turnId);
      assert.equal(endOf(await read(one)).finishReason, "stop");
    }
    const request = { sessionId, requestId: "regenerate", type: "regenerate", parts: [] } as const;
    const [one, other] = await Promise.all([start(request), start(request)]);
    assert.equal(one.turnId, other.turnId);
    assert.equal(endOf(await read(one)).finishReason, "stop");
    assert.ok(ended.every(({ finishReason }) => finishReason === "stop"));
  });

  it("finds the session that it opened, with its id and without", async (t) => {
    const { start, read, ask } = await openEngine(t);
    const turn = await start({ requestId });
    const events = await read(turn);
    assert.deepEqual(await ask({ requestId }), events);
    assert.deepEqual(await ask({ requestId, sessionId: turn.sessionId }), events);
  });

  it("is refused with another payload, and in another session", async (t) => {
    const { start, ask, createSession } = await openEngine(t);
    const sessionId = await createSession();
    await ask({ sessionId, requestId });
    const reused = { kind: "already_exists", reason: "REQUEST_ID_REUSED" };
    await assert.rejects(start({ sessionId, requestId, parts: [textPart("other")] }), reused);
    await assert.rejects(start({ sessionId, requestId, chunkBy: "word" }), reused);
    const other = await createSession();
    await assert.rejects(start({ sessionId: other, requestId }), reused);
  });

  it("belongs to its principal alone", async (t) => {
    const { engine, start } = await openEngine(t);
    const turn = await start({ requestId });
    const request = turnRequest({ requestId, parts: [textPart("other")] });
    const theirs = await engine.startTurn(callerOf("other"), request, createCall());
    assert.notEqual(theirs.turnId, turn.turnId);
    await settle();
  });

  it("was refused before: it has not used its key up", async (t) => {
    const { port: store, fail, mend } = createFaulty(createMemoryStore());
    const { start, ask, cancel, createSession, answerWith } = await openEngine(t, {
      store,
      queuedTurnsMax: 0,
    });
    const sessionId = await createSession();
    await assert.rejects(start({ requestId, sessionId: "none" }), { kind: "not_found" });
    fail("createTurn");
    await assert.rejects(start({ requestId, sessionId }), { kind: "unavailable" });
    mend("createTurn");
    answerWith(waitingAfter());
    const running = await start({ sessionId });
    const busy = { sessionId, requestId, onBusy: "reject" } as const;
    await assert.rejects(start(busy), { reason: "SESSION_BUSY" });
    await cancel(sessionId, running.turnId);
    answerWith(saying("at last", finish));
    assert.equal(replyText(await ask({ sessionId, requestId })), "at last");
  });

  it("is not found any more once its session is deleted", async (t) => {
    const { engine, start, read } = await openEngine(t);
    const turn = await start({ requestId });
    await read(turn);
    await engine.deleteSession(anonymous, turn.sessionId);
    const gone = { kind: "not_found", reason: "SESSION_NOT_FOUND" };
    await assert.rejects(start({ requestId }), gone);
    await assert.rejects(start({ requestId, sessionId: turn.sessionId }), gone);
  });

  it("is never refused for a limit, nor by a drain", async (t) => {
    const { engine, start, read, answerWith } = await openEngine(t, { runningTurnsMax: 1 });
    answerWith(waitingAfter("a"));
    const turn = await start({ requestId });
    await assert.rejects(start(), { reason: "TOO_MANY_TURNS" });
    assert.equal((await start({ requestId })).turnId, turn.turnId);
    engine.drain();
    const again = await start({ requestId });
    const reading = read(again);
    await engine.close(0);
    assert.equal(endOf(await reading).finishReason, "interrupted");
  });

  it("is told of another epoch", async (t) => {
    const { start, read } = await openEngine(t);
    const turn = await start({ requestId });
    const { sessionId } = turn;
    await read(turn);
    const lost = { kind: "data_loss", reason: "EPOCH_CHANGED", metadata: { epoch: "1" } };
    await assert.rejects(start({ sessionId, requestId, afterSequence: 1, afterEpoch: 2 }), lost);
    assert.ok(await start({ sessionId, requestId, afterSequence: 1, afterEpoch: 1 }));
  });

  it("is refused a cursor ahead of the session, whether its turn runs or has ended", async (t) => {
    const { start, read, log, answerWith } = await openEngine(t);
    const turn = await start({ requestId });
    await read(turn);
    const { sessionId } = turn;
    const last = await log.lastSequence(sessionId);
    const metadata = { epoch: "1", last_sequence: String(last) };
    const ahead = { kind: "out_of_range", reason: "SEQUENCE_OUT_OF_RANGE" };
    const again = start({ requestId, afterSequence: last + 1 });
    await assert.rejects(again, { ...ahead, metadata });
    assert.deepEqual(await read(await start({ requestId, afterSequence: last })), []);
    answerWith(waitingAfter("a"));
    await start({ sessionId, requestId: "two" });
    await assert.rejects(start({ requestId: "two", afterSequence: 99 }), ahead);
    // What the caller has seen of the next turn is no more than the session has.
    const seen = await log.lastSequence(sessionId);
    assert.deepEqual(await read(await start({ requestId, afterSequence: seen })), []);
  });

  it("keeps its turn alive when the call before it is lost", async (t) => {
    const { start, read, readTurn, answerWith, ended } = await openEngine(t);
    const goOn = Promise.withResolvers<void>();
    answerWith(async function* () {
      yield textPart("Hel");
      await goOn.promise;
      yield textPart("lo");
      yield finish;
    });
    const [lost, next] = [createCall(), createCall()];
    const request = { requestId, onDisconnect: "cancel" } as const;
    const turn = await start(request, lost);
    await take(readTurn(turn, lost.signal), 3);
    const again = await start({ ...request, afterSequence: 3 }, next);
    lost.lose();
    goOn.resolve();
    assert.equal(replyText(await read(again, next.signal)), "lo");
    await until(() => ended.length === 1);
    assert.equal(ended[0]?.finishReason, "stop");
  });
});
