import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it, type TestContext } from "node:test";
import timers, { setImmediate as nextLoop } from "node:timers/promises";
import { ChatError, storageUnavailable } from "../../../src/chat/errors.ts";
import { retryUntil } from "../../../src/chat/retry.ts";

const never = new AbortController().signal;

describe("retryUntil", () => {
  it("returns the first success, without waiting where there is one at once", async (t) => {
    const { operation, failures } = failing(0);
    assert.equal(await retryUntil(never, operation, failures.push), "done");
    assert.equal(failures.told.length, 0);
    assert.equal(delaysOf(t).length, 0);
  });

  it("tries again after twice as long each time, up to five seconds, and tells each failure", async (t) => {
    const delays = delaysOf(t);
    const { operation, failures } = failing(9);
    const result = retryUntil(never, operation, failures.push);
    for (let count = 0; count < 9; count += 1) {
      await nextLoop();
      t.mock.timers.tick(delays.at(-1) ?? assert.fail("it does not wait"));
    }
    assert.equal(await result, "done");
    assert.deepEqual(delays, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
    assert.equal(failures.told.length, 9);
  });

  it("throws at once what nobody foresaw, and tells it once: repeating mends no fault of ours", async (t) => {
    const delays = delaysOf(t);
    const error = new TypeError("broken");
    const { operation, failures } = failing(1, error);
    await assert.rejects(retryUntil(never, operation, failures.push), error);
    assert.deepEqual(failures.told, [error]);
    assert.equal(delays.length, 0);
  });

  it("throws at once what is a decision, and tells it", async () => {
    const told: unknown[] = [];
    const error = new ChatError("aborted", "STALE_FENCE", "another owner");
    const operation = () => Promise.reject(error);
    await assert.rejects(
      retryUntil(never, operation, (one) => told.push(one)),
      error,
    );
    assert.deepEqual(told, [error]);
  });

  it("tries once more when it is given up, and throws that failure", async (t) => {
    delaysOf(t);
    const givenUp = new AbortController();
    const { operation, failures } = failing(Number.POSITIVE_INFINITY);
    const result = retryUntil(givenUp.signal, operation, failures.push);
    await nextLoop();
    givenUp.abort();
    await assert.rejects(result, { reason: "STORAGE_UNAVAILABLE" });
    assert.equal(failures.told.length, 2);
    assert.equal(getEventListeners(givenUp.signal, "abort").length, 0);
  });
});

/** An operation that fails so many times before it succeeds. */
function failing(times: number, error: Error = storageUnavailable(new Error("full"))) {
  const told: unknown[] = [];
  let left = times;
  return {
    failures: { told, push: (error: unknown) => void told.push(error) },
    async operation(): Promise<string> {
      left -= 1;
      if (left >= 0) throw error;
      return "done";
    },
  };
}

/** The delays asked for, with timers that the test moves. */
function delaysOf(t: TestContext): number[] {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const delays: number[] = [];
  const original = timers.setTimeout;
  t.mock.method(
    timers,
    "setTimeout",
    (ms: number, ...rest: [undefined, { signal: AbortSignal }]) => {
      delays.push(ms);
      return original(ms, ...rest);
    },
  );
  return delays;
}
