import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { localCaller } from "../../../src/chat/caller.ts";
import type { Event } from "../../../src/chat/event.ts";
import { anonymous } from "../../../src/chat/session.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { callerOf } from "../../support/caller.ts";
import { createCall } from "../../support/calls.ts";
import {
  allMessages,
  endOf,
  kindsOf,
  openEngine,
  openMemoryLog,
  replyText,
  turnRequest,
} from "../../support/engine.ts";
import { createFakeTimers } from "../../support/fake-timers.ts";
import { createFaulty } from "../../support/faults.ts";
import { settle, until } from "../../support/loops.ts";
import { finish, saying, textPart, waitingAfter } from "../../support/models.ts";

const unavailable = { kind: "unavailable", reason: "STORAGE_UNAVAILABLE" };

describe("starting a turn", () => {
  it("opens a session for a message that names none", async (t) => {
    const { engine, start, read, texts } = await openEngine(t);
    const turn = await start({ systemInstruction: "be kind", generation: { topK: 3 } });
    await read(turn);
    const session = await engine.getSession(anonymous, turn.sessionId);
    assert.deepEqual(
      [session.systemInstruction, session.generation, session.model],
      ["be kind", { topK: 3 }, "test"],
    );
    assert.deepEqual(await texts(turn.sessionId), ["user: Hi", "model: Hello"]);
    assert.equal(engine.stats().sessionsCreated, 1);
  });

  it("has the message durable and the turn running when it resolves", async (t) => {
    const { engine, store, start } = await openEngine(t, { generate: waitingAfter() });
    const { sessionId, turnId, model, afterSequence, epoch } = await start();
    assert.deepEqual([model, afterSequence, epoch], ["test", 0, 1]);
    assert.equal((await engine.getSession(anonymous, sessionId)).runningTurnId, turnId);
    const [message] = await allMessages(store, sessionId);
    assert.deepEqual([message?.parts, message?.state], [[textPart("Hi")], "complete"]);
    assert.equal(engine.runningTurns(), 1);
  });

  it("remembers the conversation", async (t) => {
    const given: number[] = [];
    const { ask, createSession, texts, answerWith } = await openEngine(t);
    const sessionId = await createSession();
    for (const reply of ["one", "two", "three"]) {
      answerWith((request, signal) => {
        given.push(request.messages.length);
        return saying(reply, finish)(request, signal);
      });
      await ask({ sessionId });
    }
    assert.deepEqual(given, [1, 3, 5]);
    assert.deepEqual(await texts(sessionId), [
      "user: Hi",
      "model: one",
      "user: Hi",
      "model: two",
      "user: Hi",
      "model: three",
    ]);
  });

  it("refuses an unknown session, an unknown model and another principal's session", async (t) => {
    const { engine, start, createSession, answerWith } = await openEngine(t);
    const missing = { kind: "not_found", reason: "SESSION_NOT_FOUND" };
    await assert.rejects(start({ sessionId: "none" }), missing);
    const unknown = { kind: "invalid_argument", reason: "MODEL_UNKNOWN" };
    await assert.rejects(start({ modelId: "none" }), unknown);
    assert.equal(await engine.countSessions(localCaller), 0);

    const sessionId = await createSession();
    const asOther = () =>
      engine.startTurn(callerOf("other"), turnRequest({ sessionId }), createCall());
    await assert.rejects(asOther(), missing);
    answerWith(waitingAfter());
    await start({ sessionId });
    // Not "busy", which would tell that the session exists.
    await assert.rejects(asOther(), missing);
    assert.equal(engine.runningTurns(), 1);
  });

  it("is refused for a cursor of another epoch, before the turn exists", async (t) => {
    const { engine, start, createSession, texts } = await openEngine(t);
    const sessionId = await createSession();
    const changed = { kind: "data_loss", reason: "EPOCH_CHANGED", metadata: { epoch: "1" } };
    for (const requestId of ["", "request"]) {
      const request = { sessionId, requestId, afterSequence: 0, afterEpoch: 2 };
      await assert.rejects(start(request), changed);
      await assert.rejects(start({ ...request, sessionId: "" }), changed);
    }
    assert.deepEqual(await texts(sessionId), []);
    const page = { pageSize: 10, pageToken: "", query: "" };
    const { items } = await engine.listSessions(localCaller, page);
    assert.deepEqual(
      items.map((session) => session.sessionId),
      [sessionId],
    );
    // The key was not used up, and 0 says nothing.
    assert.ok(await start({ sessionId, requestId: "request", afterEpoch: 1 }));
    assert.ok(await start({ sessionId, afterEpoch: 0 }));
  });

  it("needs a session for what is about messages that are there", async (t) => {
    const { start } = await openEngine(t);
    for (const type of ["edit", "regenerate", "continue"] as const) {
      await assert.rejects(start({ type }), { kind: "invalid_argument" });
    }
  });

  it("runs as many turns as it may, also of those that come at once", async (t) => {
    const { start, cancel, answerWith, engine } = await openEngine(t, { runningTurnsMax: 2 });
    answerWith(waitingAfter());
    const full = { kind: "resource_exhausted", reason: "TOO_MANY_TURNS", retryable: true };
    const results = await Promise.allSettled([start(), start(), start()]);
    const started = results.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    assert.deepEqual([started.length, engine.runningTurns()], [2, 2]);
    await assert.rejects(start(), full);
    await cancel(started[0]?.sessionId ?? "");
    await until(() => engine.runningTurns() === 1);
    await start();
    await assert.rejects(start(), full);
    assert.equal(await engine.countSessions(localCaller), 3);
  });

  it("leaves the session free when it was refused or failed", async (t) => {
    const { port: store, fail, mend } = createFaulty(createMemoryStore());
    const { port: log, ...logFaults } = createFaulty(await openMemoryLog());
    const { start, ask, createSession, texts } = await openEngine(t, {
      store,
      log,
      runningTurnsMax: 1,
    });
    const sessionId = await createSession();
    await assert.rejects(start({ sessionId, modelId: "none" }), { reason: "MODEL_UNKNOWN" });
    for (const method of ["getSession", "createTurn"] as const) {
      fail(method);
      await assert.rejects(start({ sessionId }), unavailable, method);
      mend(method);
    }
    logFaults.fail("lastSequence");
    await assert.rejects(start({ sessionId }), unavailable);
    logFaults.mend("lastSequence");
    await ask({ sessionId, parts: [textPart("At last")] });
    assert.deepEqual(await texts(sessionId), ["user: At last", "model: Hello"]);
  });

  it("has the turn wait when the store takes it and then cannot start it", async (t) => {
    const timers = createFakeTimers(t);
    const { port: store, fail, mend } = createFaulty(createMemoryStore());
    const { start, read, ended } = await openEngine(t, { store });
    fail("acquireTurn");
    const turn = await start();
    const events = read(turn);
    await settle();
    assert.equal(ended.length, 0);
    mend("acquireTurn");
    timers.tick(1_000);
    assert.deepEqual(kindsOf(await events), ["turn_queued", "status", "start", "chunk", "end"]);
    timers.restore();
  });
});

describe("a message in a busy session", () => {
  it("waits for its place by default, told with its question and its position", async (t) => {
    const { start, read, recorded, texts, createSession, answerWith, cancel } = await openEngine(t);
    const sessionId = await createSession();
    answerWith(waitingAfter("one"));
    const first = await start({ sessionId, parts: [textPart("1")] });
    const others = [
      await start({ sessionId, parts: [textPart("2")] }),
      await start({ sessionId, parts: [textPart("3")], onBusy: "enqueue" }),
    ];
    assert.deepEqual(await texts(sessionId), ["user: 1", "[queued] user: 2", "[queued] user: 3"]);
    const queued = (await recorded(sessionId)).flatMap((event) =>
      event.type === "session_update" ? [event] : [],
    );
    assert.deepEqual(
      queued.map(({ turnId, updateType, data, userMessage }) => [
        turnId,
        updateType,
        data,
        userMessage?.parts,
      ]),
      others.map(({ turnId }, index) => [
        turnId,
        "turn_queued",
        { turn_id: turnId, position: index + 1 },
        [textPart(`${index + 2}`)],
      ]),
    );
    answerWith(saying("ok", finish));
    await cancel(sessionId, first.turnId);
    for (const turn of others) {
      assert.deepEqual(kindsOf(await read(turn)), [
        "turn_queued",
        "status",
        "start",
        "chunk",
        "end",
      ]);
    }
    assert.deepEqual(await texts(sessionId), [
      "user: 1",
      "[partial] model: one",
      "user: 2",
      "model: ok",
      "user: 3",
      "model: ok",
    ]);
  });

  it("has the reply that ran before it in its context", async (t) => {
    const goOn = Promise.withResolvers<void>();
    const given: string[][] = [];
    const { start, read, createSession } = await openEngine(t, {
      async *generate(request) {
        given.push(request.messages.map(({ parts }) => parts[0]?.text ?? ""));
        await goOn.promise;
        yield textPart(`reply ${given.length}`);
        yield finish;
      },
    });
    const sessionId = await createSession();
    await start({ sessionId, parts: [textPart("one")] });
    const second = await start({ sessionId, parts: [textPart("two")] });
    goOn.resolve();
    const events = await read(second);
    assert.deepEqual(given, [["one"], ["one", "reply 1", "two"]]);
    assert.deepEqual([replyText(events), endOf(events).messageCount], ["reply 2", 4]);
  });

  it("is refused when it says so, and nothing of it is stored", async (t) => {
    const { start, texts, answerWith } = await openEngine(t);
    answerWith(waitingAfter());
    const { sessionId } = await start();
    const busy = { kind: "failed_precondition", reason: "SESSION_BUSY" };
    await assert.rejects(start({ sessionId, onBusy: "reject" }), busy);
    assert.deepEqual(await texts(sessionId), ["user: Hi"]);
  });

  it("is refused when too many wait, and has interrupted nothing then", async (t) => {
    const { start, texts, answerWith, engine } = await openEngine(t, { queuedTurnsMax: 2 });
    answerWith(waitingAfter());
    const { sessionId } = await start();
    const full = { kind: "resource_exhausted", reason: "QUEUE_FULL", retryable: true };
    const results = await Promise.allSettled([1, 2, 3, 4].map(() => start({ sessionId })));
    assert.ok(results.slice(0, 2).every(({ status }) => status === "fulfilled"));
    assert.equal(results[3]?.status, "rejected");
    const before = await texts(sessionId);
    await assert.rejects(start({ sessionId }), full);
    assert.equal(engine.runningTurns(), 1);
    assert.deepEqual(await texts(sessionId), before);
  });

  it("that interrupts is not refused for those that wait, but for one that interrupts too", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { start, read, recorded, engine } = await openEngine(t, {
      store,
      queuedTurnsMax: 1,
      generate: waitingAfter(),
    });
    const running = await start();
    const { sessionId } = running;
    const waiting = await start({ sessionId });
    const full = { kind: "resource_exhausted", reason: "QUEUE_FULL" };
    await assert.rejects(start({ sessionId }), full);
    const release = hold("endTurn");
    const again = await start({ sessionId, onBusy: "interrupt" });
    await assert.rejects(start({ sessionId, onBusy: "interrupt" }), full);
    const { queuedTurnIds } = await engine.getSession(anonymous, sessionId);
    assert.deepEqual(queuedTurnIds, [again.turnId, waiting.turnId]);
    release();
    assert.equal(endOf(await read(running)).finishReason, "cancelled");
    const isStatus = ({ turnId, type }: Event) => turnId === again.turnId && type === "status";
    await until(async () => (await recorded(sessionId)).some(isStatus));
  });

  it("whose place could not be told fails, waits all the same, and is found when sent again", async (t) => {
    const { port: log, fail, mend } = createFaulty(await openMemoryLog());
    const test = await openEngine(t, { log, generate: waitingAfter() });
    const { engine, start, read, cancel, answerWith, recorded } = test;
    const running = await start();
    const { sessionId } = running;
    await until(async () => (await recorded(sessionId)).length === 1);
    const request = { sessionId, requestId: "r", parts: [textPart("2")] };
    fail("append");
    await assert.rejects(start(request), unavailable);
    mend("append");
    const again = await start(request);
    const session = await engine.getSession(anonymous, sessionId);
    assert.deepEqual(session.queuedTurnIds, [again.turnId]);
    answerWith(saying("ok", finish));
    await cancel(sessionId, running.turnId);
    const events = await read(again);
    const [status] = events;
    assert.deepEqual(status?.type === "status" && status.userMessage?.parts, [textPart("2")]);
    assert.equal(endOf(events).finishReason, "stop");
  });

  it("waits while another is only starting, so that one of several runs", async (t) => {
    const { engine, start, createSession, answerWith } = await openEngine(t);
    answerWith(waitingAfter());
    const sessionId = await createSession();
    const turns = await Promise.all([1, 2, 3].map(() => start({ sessionId })));
    const session = await engine.getSession(anonymous, sessionId);
    assert.equal(session.runningTurnId, turns[0]?.turnId);
    assert.deepEqual(
      session.queuedTurnIds,
      turns.slice(1).map(({ turnId }) => turnId),
    );
    assert.equal(engine.runningTurns(), 1);
  });
});

describe("a message that interrupts", () => {
  it("cancels what runs, keeps its partial reply, and goes before those that wait", async (t) => {
    const { start, read, texts, recorded, answerWith } = await openEngine(t);
    answerWith(waitingAfter("par"));
    const first = await start({ parts: [textPart("1")] });
    const { sessionId } = first;
    await until(async () => (await recorded(sessionId)).length === 3);
    const waiting = await start({ sessionId, parts: [textPart("2")] });
    answerWith(saying("ok", finish));
    const urgent = await start({ sessionId, parts: [textPart("3")], onBusy: "interrupt" });
    const [interrupted] = await Promise.all([read(first), read(urgent), read(waiting)]);
    assert.equal(endOf(interrupted).finishReason, "cancelled");
    assert.deepEqual(await texts(sessionId), [
      "user: 1",
      "[partial] model: par",
      "user: 3",
      "model: ok",
      "user: 2",
      "model: ok",
    ]);
    const queued = (await recorded(sessionId)).filter(({ turnId }) => turnId === urgent.turnId);
    assert.deepEqual(queued[0]?.type === "session_update" && queued[0].data, {
      turn_id: urgent.turnId,
      position: 1,
    });
  });

  it("runs at once in a free session", async (t) => {
    const { ask, createSession } = await openEngine(t);
    const sessionId = await createSession();
    const events = await ask({ sessionId, onBusy: "interrupt" });
    assert.deepEqual(kindsOf(events), ["status", "start", "chunk", "end"]);
  });

  it("is no error when the other has just ended, and leaves that end alone", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { start, read, recorded, createSession } = await openEngine(t, { store });
    const sessionId = await createSession();
    const release = hold("endTurn");
    const first = await start({ sessionId });
    await until(async () => (await recorded(sessionId)).at(-1)?.type === "end");
    const starting = start({ sessionId, onBusy: "interrupt" });
    await settle();
    release();
    const events = await read(await starting);
    assert.equal(endOf(events).finishReason, "stop");
    assert.equal(endOf(await read(first)).finishReason, "stop");
  });
});
