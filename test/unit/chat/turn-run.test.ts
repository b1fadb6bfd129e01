import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../../src/chat/clock.ts";
import { ChatError } from "../../../src/chat/errors.ts";
import { createLiveTurn } from "../../../src/chat/live-turn.ts";
import { ModelError } from "../../../src/chat/model.ts";
import { storedEnd } from "../../../src/chat/turn-end.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import {
  allMessages,
  createTurn,
  endOf,
  openEngine,
  openMemoryLog,
  recordedEvents,
  replyText,
  unattended,
} from "../../support/engine.ts";
import { createFaulty } from "../../support/faults.ts";
import { until } from "../../support/loops.ts";
import {
  deafAfter,
  failingAfter,
  finish,
  type Generate,
  saying,
  textPart,
  thoughtPart,
  waitingAfter,
} from "../../support/models.ts";

const usage = {
  inputTokens: 10,
  outputTokens: 20,
  thinkingTokens: 30,
  cachedTokens: 4,
  totalTokens: 60,
  estimated: false,
};

describe("a turn's events", () => {
  it("come in the order of the contract, numbered, with the question on the first", async (t) => {
    const { start, read } = await openEngine(t, {
      generate: saying(thoughtPart("hm"), "Hel", "lo", finish),
    });
    const turn = await start();
    const events = await read(turn);
    assert.deepEqual(
      events.map(({ type }) => type),
      ["status", "start", "chunk", "chunk", "chunk", "end"],
    );
    assert.deepEqual(
      events.map(({ sequence }) => sequence),
      [1, 2, 3, 4, 5, 6],
    );
    assert.ok(events.every(({ turnId }) => turnId === turn.turnId));
    const [status, begun, ...chunks] = events;
    assert.ok(status?.type === "status" && begun?.type === "start");
    assert.deepEqual(status.userMessage?.parts, [textPart("Hi")]);
    assert.deepEqual([status.model, status.contextMessages], ["test", 1]);
    assert.equal(begun.messageId, endOf(events).messageId);
    assert.deepEqual(
      chunks.flatMap((event) => (event.type === "chunk" ? [[event.number, event.thought]] : [])),
      [
        [1, true],
        [2, undefined],
        [3, undefined],
      ],
    );
    assert.equal(endOf(events).totalChunks, 3);
  });

  it("have STATUS recorded before the model is called", async (t) => {
    const log = await openMemoryLog();
    let recorded: unknown[] | undefined;
    const { start, read } = await openEngine(t, {
      log,
      async *generate(request) {
        recorded = (await recordedEvents(log, sessionId)).map((event) =>
          event.type === "status" ? event.contextMessages === request.messages.length : event.type,
        );
        yield finish;
      },
    });
    let sessionId = "";
    const turn = await start({ onDisconnect: "continue" });
    sessionId = turn.sessionId;
    await read(turn);
    assert.deepEqual(recorded, [true]);
  });

  it("have the model's text byte for byte, however it is chunked", async (t) => {
    const text = "  ```ts\n\tconst 名 = '👨‍👩‍👧';\r\n```\n\n\u0301 end ";
    for (const chunkBy of ["model", "word", "character"] as const) {
      const { start, texts, read } = await openEngine(t, {
        generate: saying(...text.split(""), finish),
      });
      const turn = await start({ chunkBy });
      assert.equal(replyText(await read(turn)), text);
      assert.deepEqual(await texts(turn.sessionId), ["user: Hi", `model: ${text}`]);
    }
  });

  it("need no start and no chunk: a model may say nothing", async (t) => {
    const { start, texts, read } = await openEngine(t, { generate: saying(finish) });
    const turn = await start();
    const events = await read(turn);
    assert.deepEqual(
      events.map(({ type }) => type),
      ["status", "end"],
    );
    const { firstChunkMs, messageCount, finishReason } = endOf(events);
    assert.deepEqual([firstChunkMs, messageCount, finishReason], [undefined, 1, "stop"]);
    assert.deepEqual(await texts(turn.sessionId), ["user: Hi"]);
  });

  it("fold to the very end that was stored, at whatever time each clock is read", async (t) => {
    let ms = 0;
    const { port: store, calls } = spied(createMemoryStore());
    const { start, log, ended, read } = await openEngine(t, {
      store,
      clock: { now: systemClock.now, monotonicMs: () => (ms += 3) },
      generate: saying(
        thoughtPart("hm"),
        { type: "text", text: "Hello", signature: "sig" },
        { type: "usage", usage },
        finish,
      ),
    });
    const turn = await start();
    await read(turn);
    const events = await recordedEvents(log, turn.sessionId);
    const stored = calls[0] ?? assert.fail("no end was stored");
    const { turnId, sessionId, replyMessageId, fence } = stored;
    const own = createTurn({ turnId, sessionId, replyMessageId });
    const live = createLiveTurn({ turn: own, events, ...unattended });
    assert.deepEqual(storedEnd(live, fence, endOf(events)), stored);
    assert.deepEqual(ended, [stored]);
    const begun = events.find(({ type }) => type === "start");
    assert.equal(begun?.elapsedMs, stored.firstChunkMs);
  });
});

describe("a turn's usage", () => {
  it("is the provider's last word", async (t) => {
    const early = { ...usage, outputTokens: 1 };
    const generate = saying({ type: "usage", usage: early }, "a", finish, { type: "usage", usage });
    const { ask } = await openEngine(t, { generate });
    assert.deepEqual(endOf(await ask()).usage, usage);
  });

  it("is estimated where the provider gave none", async (t) => {
    const { ask } = await openEngine(t, {
      generate: saying(thoughtPart("hmmmm"), "Hello", finish),
    });
    assert.deepEqual(endOf(await ask()).usage, {
      inputTokens: 1,
      outputTokens: 2,
      thinkingTokens: 2,
      cachedTokens: 0,
      totalTokens: 5,
      estimated: true,
    });
  });
});

describe("a model that fails", () => {
  const overloaded = new ModelError("unavailable", "MODEL_OVERLOADED", "busy", {
    retryable: true,
    retryAfterMs: 7_000,
  });
  const failures: Record<string, { generate: Generate; reason: string; error: object }> = {
    "with an error of its provider": {
      generate: failingAfter(overloaded, "par"),
      reason: "failed",
      error: {
        kind: "unavailable",
        reason: "MODEL_OVERLOADED",
        message: "busy",
        retryable: true,
        retryAfterMs: 7_000,
      },
    },
    "with something unknown, which is not told": {
      generate: failingAfter(new Error("secret"), "par"),
      reason: "failed",
      error: unknownFailure(),
    },
    "with undefined": {
      generate: failingAfter(undefined, "par"),
      reason: "failed",
      error: unknownFailure(),
    },
    "with what looks like the end of a turn": {
      generate: failingAfter({ finishReason: "stop", usage: "bad" }, "par"),
      reason: "failed",
      error: unknownFailure(),
    },
    "by ending without a reason": {
      generate: saying("par"),
      reason: "incomplete",
      error: {
        kind: "unavailable",
        reason: "MODEL_INCOMPLETE",
        message: "the model's stream ended without saying why; the reply may be cut short",
        retryable: true,
      },
    },
  };

  for (const [how, { generate, reason, error }] of Object.entries(failures)) {
    it(`${how} ends its turn with that, keeps what had come, and harms no later turn`, async (t) => {
      const { store, start, answerWith, read, ask } = await openEngine(t, { generate });
      const turn = await start();
      const events = await read(turn);
      assert.equal(endOf(events).finishReason, reason);
      assert.deepEqual(endOf(events).error, error);
      assert.equal(replyText(events), "par");
      const [, reply] = await allMessages(store, turn.sessionId);
      assert.deepEqual([reply?.parts, reply?.state], [[textPart("par")], "partial"]);
      answerWith(saying("fine", finish));
      const next = await ask({ sessionId: turn.sessionId });
      assert.equal(endOf(next).finishReason, "stop");
    });
  }

  it("before its first part leaves the question out of the next context", async (t) => {
    const { start, answerWith, read, ask } = await openEngine(t, {
      generate: failingAfter(overloaded),
    });
    const turn = await start();
    assert.deepEqual(
      (await read(turn)).map(({ type }) => type),
      ["status", "end"],
    );
    answerWith(saying("fine", finish));
    const [status] = await ask({ sessionId: turn.sessionId });
    assert.equal(status?.type === "status" && status.contextMessages, 1);
  });

  it("by blocking the reply completes the turn, and leaves it out of the next context", async (t) => {
    const { start, answerWith, read, ask } = await openEngine(t, {
      generate: saying("bad", { type: "finish", reason: "safety" }),
    });
    const turn = await start();
    const end = endOf(await read(turn));
    assert.deepEqual([end.finishReason, end.error], ["safety", undefined]);
    answerWith(saying("fine", finish));
    const [status] = await ask({ sessionId: turn.sessionId });
    assert.equal(status?.type === "status" && status.contextMessages, 1);
  });

  const long = 60_000;
  const stuck = {
    MODEL_FIRST_CHUNK_TIMEOUT: {
      firstChunkTimeoutMs: 1,
      idleChunkTimeoutMs: long,
      turnTimeoutMs: long,
    },
    MODEL_IDLE_TIMEOUT: { firstChunkTimeoutMs: long, idleChunkTimeoutMs: 1, turnTimeoutMs: long },
    MODEL_TURN_TIMEOUT: { firstChunkTimeoutMs: long, idleChunkTimeoutMs: long, turnTimeoutMs: 1 },
  };
  for (const [reason, timeouts] of Object.entries(stuck)) {
    it(`by falling silent ends its turn TIMEOUT with ${reason}`, async (t) => {
      const parts = reason === "MODEL_FIRST_CHUNK_TIMEOUT" ? [] : ["par"];
      const { ask } = await openEngine(t, {
        timeouts,
        generate: deafAfter(...parts),
      });
      const events = await ask();
      const { finishReason, error } = endOf(events);
      assert.deepEqual(
        [finishReason, error?.kind, error?.reason],
        ["timeout", "deadline_exceeded", reason],
      );
    });
  }

  it("tells the operator what it was, and a stop from outside does not", async (t) => {
    const {
      failures: told,
      start,
      answerWith,
      ask,
      cancel,
    } = await openEngine(t, {
      generate: failingAfter(overloaded),
    });
    await ask();
    assert.deepEqual(told, [overloaded]);
    answerWith(waitingAfter("a"));
    const turn = await start();
    await cancel(turn.sessionId);
    assert.deepEqual(told, [overloaded]);
  });
});

const unavailable = { kind: "unavailable", reason: "STORAGE_UNAVAILABLE" };

describe("storage that fails", () => {
  it("in mid reply: readers get the fault, no sequence is used, and the recorded end follows", async (t) => {
    const { port: log, fail, mend } = createFaulty(await openMemoryLog());
    const goOn = Promise.withResolvers<void>();
    let aborted: AbortSignal | undefined;
    const { engine, start, texts, answerWith, ask, readTurn } = await openEngine(t, {
      log,
      async *generate(_request, signal) {
        aborted = signal;
        yield textPart("seen ");
        await goOn.promise;
        yield textPart("lost");
        await new Promise<never>(() => {});
      },
    });
    const turn = await start();
    const events = readTurn(turn);
    for (let count = 0; count < 3; count += 1) await events.next();
    fail("append");
    goOn.resolve();
    await assert.rejects(events.next(), { kind: "unavailable", reason: "STORAGE_UNAVAILABLE" });
    assert.equal(aborted?.aborted, true);
    await assert.rejects(start({ sessionId: turn.sessionId, onBusy: "reject" }), unavailable);
    mend("append");
    await until(() => engine.runningTurns() === 0);

    const recorded = await recordedEvents(log, turn.sessionId);
    const end = endOf(recorded);
    assert.deepEqual(
      [recorded.length, end.sequence, end.finishReason, end.error?.kind, end.totalChunks],
      [4, 4, "interrupted", "unavailable", 1],
    );
    assert.deepEqual(await texts(turn.sessionId), ["user: Hi", "[partial] model: seen "]);
    answerWith(saying("fine", finish));
    const next = await ask({ sessionId: turn.sessionId });
    assert.deepEqual([next[0]?.sequence, endOf(next).finishReason], [5, "stop"]);
  });

  it("from the first event on: the end carries the question, and no model is called", async (t) => {
    const { port: log, fail, mend } = createFaulty(await openMemoryLog());
    const generate = t.mock.fn(saying("a", finish));
    const { engine, start, read } = await openEngine(t, { log, generate });
    fail("append");
    const turn = await start();
    await assert.rejects(read(turn), { reason: "STORAGE_UNAVAILABLE" });
    mend("append");
    await until(() => engine.runningTurns() === 0);
    const events = await recordedEvents(log, turn.sessionId);
    assert.deepEqual([events.length, endOf(events).finishReason], [1, "interrupted"]);
    assert.deepEqual(endOf(events).userMessage?.parts, [textPart("Hi")]);
    assert.equal(generate.mock.callCount(), 0);
  });

  it("when the context is read: the turn ends INTERRUPTED", async (t) => {
    const { port: store, fail, mend } = createFaulty(createMemoryStore());
    const { start, read, ask } = await openEngine(t, { store });
    fail("listMessages");
    const turn = await start();
    const { finishReason, error } = endOf(await read(turn));
    assert.deepEqual([finishReason, error?.reason], ["interrupted", "STORAGE_UNAVAILABLE"]);
    mend("listMessages");
    assert.equal(endOf(await ask({ sessionId: turn.sessionId })).finishReason, "stop");
  });

  it("at the end: the end is stored as it was recorded once the store takes it", async (t) => {
    const { port: store, fail, mend } = createFaulty(createMemoryStore());
    const { engine, log, start, texts, read, ask } = await openEngine(t, { store });
    fail("endTurn");
    const turn = await start();
    await assert.rejects(read(turn), { reason: "STORAGE_UNAVAILABLE" });
    assert.equal(endOf(await recordedEvents(log, turn.sessionId)).finishReason, "stop");
    await assert.rejects(start({ sessionId: turn.sessionId, onBusy: "reject" }), unavailable);
    mend("endTurn");
    await until(() => engine.runningTurns() === 0);
    assert.deepEqual(await texts(turn.sessionId), ["user: Hi", "model: Hello"]);
    assert.equal(endOf(await ask({ sessionId: turn.sessionId })).finishReason, "stop");
  });

  it("for good: the turn is given up, its readers are told, and the operator too", async (t) => {
    const { port: log, fail } = createFaulty(await openMemoryLog());
    const { engine, failures, start, read } = await openEngine(t, { log });
    const stale = new ChatError("aborted", "STALE_FENCE", "another owner");
    fail("append", stale);
    const turn = await start();
    await assert.rejects(read(turn), stale);
    await until(() => engine.runningTurns() === 0);
    assert.deepEqual(failures.at(-1), stale);
  });
});

function unknownFailure() {
  return {
    kind: "internal",
    reason: "MODEL_FAILED",
    message: "the model failed in a way that its adapter does not know",
    retryable: false,
  };
}

/** A store that shows the ends it is given. */
function spied(store: ReturnType<typeof createMemoryStore>) {
  const calls: Parameters<typeof store.endTurn>[0][] = [];
  const port = {
    ...store,
    endTurn(end: (typeof calls)[number]) {
      calls.push(end);
      return store.endTurn(end);
    },
  };
  return { port, calls };
}
