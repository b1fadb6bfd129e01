import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EngineObserver, RunObserver } from "../../../src/chat/observer.ts";
import { openEngine } from "../../support/engine.ts";
import { failingAfter, finish, saying, thoughtPart, waitingAfter } from "../../support/models.ts";

const traceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/** Writes down what an engine tells of its turns. */
function createNotes() {
  const told: string[] = [];
  const gaps: number[] = [];
  const run = (turnId: string): RunObserver => ({
    traceParent: `${turnId} at the provider`,
    firstChunk(ms) {
      gaps.push(ms);
      told.push("first");
    },
    nextChunk(ms) {
      gaps.push(ms);
      told.push("next");
    },
    ended: (end) => void told.push(`run ended ${end?.finishReason}`),
  });
  const observer: EngineObserver = {
    turnStarted(turn) {
      told.push(`started ${turn.traceParent ?? "without a trace"}`);
      return run(turn.turnId);
    },
    turnEnded: (_turn, end) => void told.push(`ended ${end.finishReason}`),
    turnFailed: () => void told.push("failed"),
    turnRefused: (error) => void told.push(`refused ${String(error)}`),
    sessionsExpired: () => undefined,
    expiryFailed: () => undefined,
  };
  return { observer, told, gaps };
}

describe("the engine's observer", () => {
  it("is told of a run's begin, each part of its reply and its end", async (t) => {
    const { observer, told, gaps } = createNotes();
    const generate = saying(thoughtPart("hm"), "Hel", "lo", finish);
    const { ask } = await openEngine(t, { observer, generate });
    await ask({ traceParent });
    const ended = ["ended stop", "run ended stop"];
    assert.deepEqual(told, [`started ${traceParent}`, "first", "next", "next", ...ended]);
    assert.ok(gaps.every((ms) => ms >= 0));
  });

  it("names the run's trace to the model", async (t) => {
    const { observer } = createNotes();
    const given: (string | undefined)[] = [];
    const { start, read, answerWith } = await openEngine(t, { observer });
    answerWith((request, signal) => {
      given.push(request.traceParent);
      return saying("Hello", finish)(request, signal);
    });
    const turn = await start({ traceParent });
    await read(turn);
    assert.deepEqual(given, [`${turn.turnId} at the provider`]);
  });

  it("is told of each turn its own trace, also of one that has waited", async (t) => {
    const { observer, told } = createNotes();
    const { start, read, cancel, answerWith } = await openEngine(t, {
      observer,
      generate: waitingAfter("…"),
    });
    const running = await start({});
    const waiting = await start({ sessionId: running.sessionId, traceParent });
    answerWith(saying("Hello", finish));
    await cancel(running.sessionId, running.turnId);
    await read(waiting);
    const started = told.filter((text) => text.startsWith("started"));
    assert.deepEqual(started, ["started without a trace", `started ${traceParent}`]);
  });

  it("is told of one that never ran only its end", async (t) => {
    const { observer, told } = createNotes();
    const { start, cancel } = await openEngine(t, { observer, generate: waitingAfter("…") });
    const running = await start({});
    const waiting = await start({ sessionId: running.sessionId });
    told.length = 0;
    await cancel(running.sessionId, waiting.turnId);
    assert.deepEqual(
      told.filter((text) => text !== "first"),
      ["ended cancelled"],
    );
  });

  it("is told of a run whose model fails", async (t) => {
    const { observer, told } = createNotes();
    const { ask } = await openEngine(t, {
      observer,
      generate: failingAfter(new Error("broken"), "…"),
    });
    await ask();
    assert.deepEqual(told.slice(-3), ["failed", "ended failed", "run ended failed"]);
  });
});
