import assert from "node:assert/strict";
import { test } from "node:test";
import { ModelError, type ModelPart } from "../../../src/chat/model.ts";
import { retryLimits, withRetries } from "../../../src/model/retry.ts";

const text: ModelPart = { type: "text", text: "x" };

function failure(retryAfterMs?: number, retryable = true): ModelError {
  return new ModelError("unavailable", "MODEL_UNAVAILABLE", "down", {
    retryable,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** Runs the outcomes one attempt each, on a clock that only pauses move. */
async function run(outcomes: (ModelPart | Error)[][], random = () => 0) {
  let nowMs = 0;
  let attempts = 0;
  const pauses: number[] = [];
  const { signal } = new AbortController();
  async function* attempt(): AsyncGenerator<ModelPart> {
    for (const outcome of outcomes[attempts++] ?? []) {
      if (outcome instanceof Error) throw outcome;
      yield outcome;
    }
  }
  const clock = { now: () => 0, monotonicMs: () => nowMs };
  const sleep = async (ms: number) => {
    pauses.push(ms);
    nowMs += ms;
  };
  const result = await Array.fromAsync(
    withRetries(attempt, signal, { clock, sleep, random }),
  ).catch((error: unknown) => error);
  return { result, attempts, pauses };
}

test("a failure after the first part is final", async () => {
  const failed = failure();
  assert.deepEqual(await run([[text, failed], [text]]), {
    result: failed,
    attempts: 1,
    pauses: [],
  });
});

test("a failure that waiting does not mend is final", async () => {
  for (const failed of [failure(undefined, false), new Error("a bug")]) {
    assert.deepEqual(await run([[failed], [text]]), { result: failed, attempts: 1, pauses: [] });
  }
});

test("pauses grow, with jitter, within the attempts that there are", async () => {
  const failed = failure();
  const failing = Array(9).fill([failed]);
  assert.deepEqual(await run(failing), { result: failed, attempts: 4, pauses: [250, 500, 1_000] });
  const { pauses } = await run(failing, () => 0.999);
  assert.deepEqual(pauses, [500, 1_000, 1_999]);
});

test("the provider's delay is kept, and one past the budget is not begun", async () => {
  assert.deepEqual(await run([[failure(12_000)], [failure(17_000)], [text]]), {
    result: [text],
    attempts: 3,
    pauses: [12_000, 17_000],
  });
  const late = failure(20_000);
  assert.deepEqual(await run([[failure(12_000)], [late], [text]]), {
    result: late,
    attempts: 2,
    pauses: [12_000],
  });
  assert.equal(retryLimits.totalMsMax, 30_000);
});
