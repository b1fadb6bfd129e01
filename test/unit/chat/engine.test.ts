import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { anonymous } from "../../../src/chat/session.ts";
import { callerOf } from "../../support/caller.ts";
import { createCall } from "../../support/calls.ts";
import { endOf, openEngine, take } from "../../support/engine.ts";
import { settle } from "../../support/loops.ts";
import { saying, waitingAfter } from "../../support/models.ts";

describe("the engine", () => {
  it("numbers a session's events from 1 without gaps over its turns, whatever becomes of them", async (t) => {
    const { engine, start, readTurn, recorded, createSession, answerWith, cancel } =
      await openEngine(t);
    const sessionId = await createSession();
    const seen: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      answerWith(
        round === 2 ? waitingAfter("par") : saying("a", "b", { type: "finish", reason: "stop" }),
      );
      const turn = await start({ sessionId });
      for await (const event of readTurn(turn)) {
        seen.push(event.sequence);
        if (round === 2 && event.type === "chunk") await cancel(sessionId, turn.turnId);
      }
    }
    assert.deepEqual(
      seen,
      Array.from(seen, (_, index) => index + 1),
    );
    assert.equal((await engine.getSession(anonymous, sessionId)).lastSequence, seen.length);
    assert.equal((await recorded(sessionId)).length, seen.length);
  });

  it("shows a principal its own sessions alone", async (t) => {
    const { engine, cancel, createSession } = await openEngine(t);
    const sessionId = await createSession();
    const missing = { kind: "not_found", reason: "SESSION_NOT_FOUND" };
    await assert.rejects(engine.getSession("other", sessionId), missing);
    const theirs = { sessionId, turnId: "", requestId: "" };
    await assert.rejects(engine.cancelTurn("other", theirs), missing);
    const list = await engine.listSessions(callerOf("other"), {
      pageSize: 9,
      pageToken: "",
      query: "",
    });
    assert.deepEqual([list.items, await engine.countSessions(callerOf("other"))], [[], 0]);
    assert.deepEqual(await cancel(sessionId), { cancelled: false, turnId: "" });
  });

  it("counts its turns", async (t) => {
    const { engine, ask, start, cancel, answerWith } = await openEngine(t);
    await ask();
    answerWith(saying("cut"));
    await ask();
    engine.countRefused("alice", undefined);
    const { totalRequests, successfulRequests, failedRequests, outputTokens } = engine.stats();
    assert.deepEqual([totalRequests, successfulRequests, failedRequests], [3, 1, 2]);
    assert.equal(outputTokens, 3);
    answerWith(waitingAfter());
    const { sessionId } = await start();
    const waiting = await start({ sessionId });
    await cancel(sessionId, waiting.turnId);
    await cancel(sessionId);
    assert.equal(engine.stats().cancelledTurns, 2);
  });

  it("holds nothing of 1,000 turns on one long call", async (t) => {
    const { engine, call, ask } = await openEngine(t);
    const before = timers();
    for (let count = 0; count < 1_000; count += 1) {
      assert.equal(endOf(await ask()).finishReason, "stop");
    }
    assert.equal(call.listeners(), 0);
    assert.equal(timers(), before);
    assert.equal(engine.runningTurns(), 0);
  });

  it("holds nothing of sessions that were queued in, watched, lost and deleted", async (t) => {
    const { engine, start, watch, cancel, createSession, answerWith } = await openEngine(t);
    const before = timers();
    answerWith(waitingAfter("a"));
    const calls = [];
    for (let count = 0; count < 50; count += 1) {
      const sessionId = await createSession();
      const [own, watcher] = [createCall(), createCall()];
      calls.push(own, watcher);
      const running = await start({ sessionId, onDisconnect: "cancel" }, own);
      await start({ sessionId }, own);
      const watching = watch({ sessionId, sessionList: true }, watcher);
      await take(watching, 4);
      const rest = Array.fromAsync(watching).catch(() => undefined);
      if (count % 3 === 0) await engine.deleteSession(anonymous, sessionId);
      else if (count % 3 === 1) await cancel(sessionId, running.turnId);
      for (const call of [own, watcher]) call.lose();
      await rest;
      if (count % 3 !== 0) await engine.deleteSession(anonymous, sessionId);
    }
    await settle();
    assert.equal(
      calls.reduce((sum, call) => sum + call.listeners(), 0),
      0,
    );
    assert.equal(timers(), before);
    assert.equal(engine.runningTurns(), 0);
    assert.equal(getEventListeners(engine.drainBegan, "abort").length, 0);
  });
});

/** Timers of the process that are running. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}
