import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { anonymous } from "../../../src/chat/session.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import {
  allMessages,
  createFaulty,
  endOf,
  openEngine,
  openMemoryLog,
  readAll,
  recordedEvents,
  replyText,
  turnRequest,
} from "../../support/engine.ts";
import { finish, saying, textPart, waitingAfter } from "../../support/models.ts";

const page = { pageSize: 50, pageToken: "" };

describe("the engine", () => {
  it("opens a session for a message that names none", async (t) => {
    const { engine, start, texts } = await openEngine(t);
    const turn = await start({ systemInstruction: "be kind", generation: { topK: 3 } });
    await readAll(turn);
    const session = await engine.getSession(anonymous, turn.sessionId);
    assert.deepEqual(
      [session.systemInstruction, session.generation, session.model],
      ["be kind", { topK: 3 }, "test"],
    );
    assert.deepEqual(await texts(turn.sessionId), ["user: Hi", "model: Hello"]);
    assert.equal(engine.stats().sessionsCreated, 1);
  });

  it("gives a session's turns its settings, and a turn's own go before them", async (t) => {
    const requests: unknown[] = [];
    const { engine, start } = await openEngine(t, {
      generate: (request, signal) => {
        const { systemInstruction, generation } = request;
        requests.push({ systemInstruction, generation });
        return saying("a", finish)(request, signal);
      },
    });
    const { sessionId } = await engine.createSession(anonymous, {
      modelId: "",
      title: "",
      systemInstruction: "always",
      generation: { topK: 3, seed: 1 },
      metadata: {},
    });
    await readAll(await start({ sessionId }));
    await readAll(await start({ sessionId, systemInstruction: "now", generation: { seed: 2 } }));
    assert.deepEqual(requests, [
      { systemInstruction: "always", generation: { topK: 3, seed: 1 } },
      { systemInstruction: "now", generation: { topK: 3, seed: 2 } },
    ]);
  });

  it("remembers the conversation", async (t) => {
    const given: number[] = [];
    const { start, createSession, texts, answerWith } = await openEngine(t);
    const sessionId = await createSession();
    for (const reply of ["one", "two", "three"]) {
      answerWith((request, signal) => {
        given.push(request.messages.length);
        return saying(reply, finish)(request, signal);
      });
      await readAll(await start({ sessionId }));
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

  it("numbers a session's events from 1 without gaps over its turns, whatever becomes of them", async (t) => {
    const { engine, log, start, createSession, answerWith } = await openEngine(t);
    const sessionId = await createSession();
    const seen: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      answerWith(round === 2 ? waitingAfter("par") : saying("a", "b", finish));
      const turn = await start({ sessionId });
      for await (const event of turn.events()) {
        seen.push(event.sequence);
        if (round === 2 && event.type === "chunk") {
          await engine.cancelTurn(anonymous, sessionId, turn.turnId);
        }
      }
    }
    assert.deepEqual(
      seen,
      Array.from(seen, (_, index) => index + 1),
    );
    assert.equal(await engine.lastSequence(sessionId), seen.length);
    assert.equal((await recordedEvents(log, sessionId)).length, seen.length);
  });

  it("has the message durable and the turn running when a start resolves", async (t) => {
    const { engine, store, start, answerWith } = await openEngine(t);
    answerWith(waitingAfter());
    const { sessionId, turnId, model } = await start();
    assert.equal(model, "test");
    assert.equal((await engine.getSession(anonymous, sessionId)).runningTurnId, turnId);
    const [message] = await allMessages(store, sessionId);
    assert.deepEqual([message?.parts, message?.state], [[textPart("Hi")], "complete"]);
    assert.equal(engine.runningTurns(), 1);
  });

  it("refuses a second message in a busy session, and stores nothing of it", async (t) => {
    const { start, answerWith, texts } = await openEngine(t);
    answerWith(waitingAfter());
    const { sessionId } = await start();
    const busy = { kind: "failed_precondition", reason: "SESSION_BUSY" };
    await assert.rejects(start({ sessionId }), busy);
    assert.deepEqual(await texts(sessionId), ["user: Hi"]);
  });

  it("starts one of several messages that come at once", async (t) => {
    const { start, createSession, answerWith, texts } = await openEngine(t);
    answerWith(waitingAfter());
    const sessionId = await createSession();
    const results = await Promise.allSettled([1, 2, 3].map(() => start({ sessionId })));
    assert.deepEqual(
      results.map(({ status }) => status),
      ["fulfilled", "rejected", "rejected"],
    );
    assert.deepEqual(await texts(sessionId), ["user: Hi"]);
  });

  it("refuses an unknown session, an unknown model and another principal's session", async (t) => {
    const { engine, start, createSession, call, answerWith } = await openEngine(t);
    const missing = { kind: "not_found", reason: "SESSION_NOT_FOUND" };
    await assert.rejects(start({ sessionId: "none" }), missing);
    const unknown = { kind: "invalid_argument", reason: "MODEL_UNKNOWN" };
    await assert.rejects(start({ modelId: "none" }), unknown);
    assert.equal(await engine.countSessions(anonymous), 0);

    const sessionId = await createSession();
    const asOther = () => engine.startTurn("other", turnRequest({ sessionId }), call.signal);
    await assert.rejects(asOther(), missing);
    answerWith(waitingAfter());
    await start({ sessionId });
    // Not "busy", which would tell that the session exists.
    await assert.rejects(asOther(), missing);
    await assert.rejects(engine.cancelTurn("other", sessionId, ""), missing);
    await assert.rejects(engine.deleteSession("other", sessionId), missing);
    await assert.rejects(engine.getSession("other", sessionId), missing);
    await assert.rejects(
      engine.listMessages("other", sessionId, { ...page, newestFirst: false }),
      missing,
    );
    assert.equal(engine.runningTurns(), 1);
  });

  it("leaves the session free when a start was refused or failed", async (t) => {
    const { port: store, fail, mend } = createFaulty(createMemoryStore());
    const { port: log, ...logFaults } = createFaulty(await openMemoryLog());
    const { start, createSession, texts } = await openEngine(t, { store, log, runningTurnsMax: 1 });
    const sessionId = await createSession();
    await assert.rejects(start({ sessionId, modelId: "none" }));
    for (const method of ["getSession", "createTurn", "acquireTurn"] as const) {
      fail(method);
      await assert.rejects(start({ sessionId }), { reason: "STORAGE_UNAVAILABLE" }, method);
      mend(method);
    }
    logFaults.fail("lastSequence");
    await assert.rejects(start({ sessionId }), { reason: "STORAGE_UNAVAILABLE" });
    logFaults.mend("lastSequence");
    await readAll(await start({ sessionId, parts: [textPart("At last")] }));
    assert.deepEqual(await texts(sessionId), ["user: At last", "model: Hello"]);
  });

  it("runs as many turns as it may, and takes a new one when one has ended", async (t) => {
    const { engine, start, answerWith } = await openEngine(t, { runningTurnsMax: 2 });
    answerWith(waitingAfter());
    const [first] = await Promise.all([start(), start()]);
    const full = { kind: "resource_exhausted", reason: "TOO_MANY_TURNS", retryable: true };
    await assert.rejects(start(), full);
    await engine.cancelTurn(anonymous, first.sessionId, "");
    await start();
    await assert.rejects(start(), full);
  });

  it("does not count a session that is being deleted as a running turn", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { engine, start, createSession } = await openEngine(t, { store, runningTurnsMax: 1 });
    const sessionId = await createSession();
    const release = hold("deleteSession");
    const deleted = engine.deleteSession(anonymous, sessionId);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(replyText(await readAll(await start())), "Hello");
    release();
    await deleted;
  });

  it("deletes a session in mid reply: the turn is cancelled, and nothing is left", async (t) => {
    const { engine, log, ended, start, answerWith } = await openEngine(t);
    answerWith(waitingAfter("par"));
    const turn = await start();
    const events = turn.events()[Symbol.asyncIterator]();
    await events.next();
    await engine.deleteSession(anonymous, turn.sessionId);
    assert.equal(ended[0]?.finishReason, "cancelled");
    const missing = { reason: "SESSION_NOT_FOUND" };
    await assert.rejects(engine.getSession(anonymous, turn.sessionId), missing);
    await assert.rejects(start({ sessionId: turn.sessionId }), missing);
    assert.equal(await log.lastSequence(turn.sessionId), 0);
    assert.equal(engine.runningTurns(), 0);
  });

  it("waits with a delete until the log has dropped the session, which no repeat could do", async (t) => {
    const { port: log, fail, mend } = createFaulty(await openMemoryLog());
    const { engine, start } = await openEngine(t, { log });
    const turn = await start();
    await readAll(turn);
    fail("drop");
    const deleted = engine.deleteSession(anonymous, turn.sessionId);
    await new Promise((resolve) => setImmediate(resolve));
    mend("drop");
    await deleted;
    assert.equal(await log.lastSequence(turn.sessionId), 0);
  });

  it("deletes a session in which a turn is just being started: that turn is cancelled", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { engine, ended, start, createSession } = await openEngine(t, { store });
    const sessionId = await createSession();
    const release = hold("acquireTurn");
    const starting = start({ sessionId });
    const deleted = engine.deleteSession(anonymous, sessionId);
    await new Promise((resolve) => setImmediate(resolve));
    release();
    await starting;
    await deleted;
    assert.equal(ended[0]?.finishReason, "cancelled");
    assert.equal(await store.countSessions(anonymous), 0);
  });

  it("lets no turn start in a session that is being deleted", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { engine, start, createSession } = await openEngine(t, { store });
    const sessionId = await createSession();
    const release = hold("deleteSession");
    const deleted = engine.deleteSession(anonymous, sessionId);
    await new Promise((resolve) => setImmediate(resolve));
    await assert.rejects(start({ sessionId }), { reason: "SESSION_BUSY" });
    release();
    await deleted;
    await assert.rejects(start({ sessionId }), { reason: "SESSION_NOT_FOUND" });
  });

  it("counts its turns", async (t) => {
    const { engine, start, answerWith } = await openEngine(t);
    await readAll(await start());
    answerWith(saying("cut"));
    await readAll(await start());
    engine.countRefused();
    const { totalRequests, successfulRequests, failedRequests, outputTokens } = engine.stats();
    assert.deepEqual([totalRequests, successfulRequests, failedRequests], [3, 1, 2]);
    assert.equal(outputTokens, 3);
  });

  it("holds nothing of 1,000 turns on one long call", async (t) => {
    const { engine, call, start } = await openEngine(t);
    const timers = () =>
      process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    for (let count = 0; count < 1_000; count += 1) {
      const { finishReason } = endOf(await readAll(await start()));
      assert.equal(finishReason, "stop");
    }
    assert.equal(getEventListeners(call.signal, "abort").length, 0);
    assert.equal(timers(), before);
    assert.equal(engine.runningTurns(), 0);
  });
});
