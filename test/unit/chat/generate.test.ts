import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it, type TestContext } from "node:test";
import { setImmediate as nextLoop } from "node:timers/promises";
import { generate } from "../../../src/chat/generate.ts";
import {
  ModelError,
  type ModelFinishReason,
  type ModelPart,
  type ModelRequest,
} from "../../../src/chat/model.ts";
import { createFakeTimers } from "../../support/fake-timers.ts";
import {
  createModel,
  deafAfter,
  failingAfter,
  finish,
  type Generate,
  saying,
  textPart,
  waitingAfter,
} from "../../support/models.ts";

const timeouts = { firstChunkTimeoutMs: 1_000, idleChunkTimeoutMs: 100, turnTimeoutMs: 5_000 };
const request: ModelRequest = { systemInstruction: "", messages: [], generation: {} };

describe("generate", () => {
  it("hands on each part in order and resolves with why the model finished", async (t) => {
    const usage = { type: "usage", usage: { ...zeroUsage, outputTokens: 2 } } as const;
    const call = start(t, saying("a", "b", finish, usage));
    assert.equal(await call.finished, "stop");
    assert.deepEqual(call.parts, [textPart("a"), textPart("b"), usage]);
  });

  it("resolves with undefined when the stream ends without a reason", async (t) => {
    assert.equal(await start(t, saying("a")).finished, undefined);
  });

  it("keeps the first reason of several", async (t) => {
    const reasons = saying({ type: "finish", reason: "safety" }, finish);
    assert.equal(await start(t, reasons).finished, "safety");
  });

  it("counts a reply as finished when its provider fails after it has said so", async (t) => {
    const call = start(t, failingAfter(new Error("reset"), "a", finish));
    assert.equal(await call.finished, "stop");
  });

  it("counts a reply as finished when its provider falls silent after it has said so", async (t) => {
    const call = start(t, deafAfter("a", finish));
    await settled();
    call.tick(timeouts.idleChunkTimeoutMs);
    assert.equal(await call.finished, "stop");
  });

  it("throws what the model throws, in the middle, at its call, and in its iterator", async (t) => {
    const error = new ModelError("unavailable", "MODEL_OVERLOADED", "busy");
    const failing: Generate[] = [
      failingAfter(error, "a"),
      () => {
        throw error;
      },
      () => brokenIterable(error),
    ];
    for (const generateParts of failing)
      await assert.rejects(start(t, generateParts).finished, error);
  });

  it("throws what the consumer of a part throws, and lets the model go", async (t) => {
    const error = new Error("no");
    const left = Promise.withResolvers<void>();
    const call = start(t, closing(left.resolve), () => {
      throw error;
    });
    await assert.rejects(call.finished, error);
    await left.promise;
    assert.equal(call.modelSignal().aborted, true);
  });

  it("never calls the model when the signal has aborted before", async (t) => {
    const model = t.mock.fn(saying("a"));
    const stop = AbortSignal.abort(new Error("early"));
    const call = generate(createModel(model), request, { signal: stop, timeouts, onPart() {} });
    await assert.rejects(call, stop.reason);
    assert.equal(model.mock.callCount(), 0);
  });

  for (const [name, silent] of Object.entries({ good: waitingAfter, deaf: deafAfter })) {
    it(`throws the signal's reason at once when a ${name} model is stopped`, async (t) => {
      const call = start(t, silent("a"));
      await settled();
      const reason = new Error("stop");
      call.stop(reason);
      await assert.rejects(call.finished, reason);
      assert.equal(call.modelSignal().aborted, true);
    });

    it(`ends a ${name} model that never begins`, async (t) => {
      const call = start(t, silent());
      await settled();
      call.tick(timeouts.firstChunkTimeoutMs - 1);
      assert.equal(call.modelSignal().aborted, false);
      call.tick(1);
      await assert.rejects(call.finished, timedOut("MODEL_FIRST_CHUNK_TIMEOUT"));
      assert.equal(call.modelSignal().aborted, true);
    });

    it(`ends a ${name} model that falls silent`, async (t) => {
      const call = start(t, silent("a"));
      await settled();
      call.tick(timeouts.idleChunkTimeoutMs);
      await assert.rejects(call.finished, timedOut("MODEL_IDLE_TIMEOUT"));
    });
  }

  it("counts the silence from the last part", async (t) => {
    const source = pushed();
    const call = start(t, () => source.parts());
    for (let part = 0; part < 5; part += 1) {
      source.push("a");
      await settled();
      call.tick(timeouts.idleChunkTimeoutMs - 1);
    }
    source.push(finish);
    source.end();
    assert.equal(await call.finished, "stop");
  });

  it("ends a model that talks for ever", async (t) => {
    const source = pushed();
    const call = start(t, () => source.parts());
    for (let ms = 0; ms < timeouts.turnTimeoutMs; ms += 50) {
      source.push("a");
      await settled();
      call.tick(50);
    }
    await assert.rejects(call.finished, timedOut("MODEL_TURN_TIMEOUT"));
  });

  it("can stop a model that never lets the event loop go", { timeout: 10_000 }, async (t) => {
    const call = start(t, async function* () {
      for (;;) yield textPart("a");
    });
    await nextLoop();
    const reason = new Error("stop");
    call.stop(reason);
    await assert.rejects(call.finished, reason);
  });

  it("leaves no listener on the signal and no timer, however it ends", async (t) => {
    const endings = [
      saying("a", finish),
      failingAfter(new Error("x")),
      throwing,
      () => brokenIterable(),
    ];
    for (const generateParts of endings) {
      const call = start(t, generateParts);
      await call.finished.catch(() => {});
      assert.ok(call.timers.started() >= 2);
      assert.equal(getEventListeners(call.signal, "abort").length, 0);
      assert.equal(call.timers.running(), 0);
    }
  });

  it("minds no iterator that cannot be returned, or fails to be", async (t) => {
    const once = { value: finish, done: false };
    for (const end of [undefined, () => Promise.reject(new Error("x")), throwing]) {
      const results: IteratorResult<ModelPart>[] = [once];
      const parts = {
        next: () => Promise.resolve(results.pop() ?? { value: undefined, done: true as const }),
        ...(end && { return: end }),
      };
      const call = start(t, () => ({ [Symbol.asyncIterator]: () => parts }));
      assert.equal(await call.finished, "stop");
    }
  });
});

const zeroUsage = {
  inputTokens: 0,
  outputTokens: 0,
  thinkingTokens: 0,
  cachedTokens: 0,
  totalTokens: 0,
  estimated: false,
};

/** Calls a model with fake timers, and shows what it was given and gave. */
function start(t: TestContext, generateParts: Generate, onPart?: () => void) {
  const timers = createFakeTimers(t);
  const stopping = new AbortController();
  const parts: ModelPart[] = [];
  let modelSignal: AbortSignal | undefined;
  const model = createModel((asked, signal) => {
    modelSignal = signal;
    return generateParts(asked, signal);
  });
  const finished: Promise<ModelFinishReason | undefined> = generate(model, request, {
    signal: stopping.signal,
    timeouts,
    onPart: onPart ?? ((part) => void parts.push(part)),
  });
  finished.catch(() => {});
  return {
    finished,
    parts,
    tick: timers.tick,
    timers,
    signal: stopping.signal,
    stop: (reason: Error) => stopping.abort(reason),
    modelSignal: () => modelSignal ?? assert.fail("the model was not called"),
  };
}

/** Lets everything happen that waits for nothing but promises. */
async function settled(): Promise<void> {
  await nextLoop();
}

function timedOut(reason: string) {
  return { name: "ChatError", kind: "deadline_exceeded", reason, retryable: true };
}

function throwing(): never {
  throw new Error("cannot");
}

function brokenIterable(error: unknown = new Error("broken")): AsyncIterable<ModelPart> {
  return {
    [Symbol.asyncIterator]: () => ({
      next() {
        throw error;
      },
    }),
  };
}

function closing(onClose: () => void): Generate {
  return async function* () {
    try {
      yield textPart("a");
    } finally {
      onClose();
    }
  };
}

/** A model whose parts come when the test says so. */
function pushed() {
  const waiting: ModelPart[] = [];
  let ended = false;
  let wake = () => {};
  const add = () => wake();
  return {
    push(part: string | ModelPart) {
      waiting.push(typeof part === "string" ? textPart(part) : part);
      add();
    },
    end() {
      ended = true;
      add();
    },
    async *parts(): AsyncGenerator<ModelPart> {
      for (;;) {
        const part = waiting.shift();
        if (part) {
          yield part;
          continue;
        }
        if (ended) return;
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
    },
  };
}
