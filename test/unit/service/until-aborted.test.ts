import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { untilAborted } from "../../../src/service/until-aborted.ts";

const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

describe("untilAborted", () => {
  it("gives every value in order, and listens to the signal only while it waits", async () => {
    const { signal } = new AbortController();
    const values: number[] = [];
    for await (const value of untilAborted(countingSource({ last: 3 }), signal)) {
      assert.equal(listeners(signal), 0);
      values.push(value);
    }
    assert.deepEqual(values, [1, 2, 3]);
    assert.equal(listeners(signal), 0);
  });

  it("throws the signal's reason while the source is silent, and returns the source", async () => {
    const controller = new AbortController();
    const source = countingSource({ last: 0, silent: true });
    const waiting = untilAborted(source, controller.signal).next();
    assert.equal(listeners(controller.signal), 1);
    const reason = new Error("enough");
    controller.abort(reason);
    await assert.rejects(waiting, reason);
    assert.equal(listeners(controller.signal), 0);
    assert.equal(source.returned, 1);
  });

  it("does not ask the source once the signal has aborted", async () => {
    const source = countingSource({ last: 0, silent: true });
    const reason = new Error("too late");
    await assert.rejects(untilAborted(source, AbortSignal.abort(reason)).next(), reason);
    assert.deepEqual([source.asked, source.returned], [0, 1]);
  });

  it("returns the source when its reader leaves", async () => {
    const { signal } = new AbortController();
    const source = countingSource({ last: Number.POSITIVE_INFINITY });
    for await (const value of untilAborted(source, signal)) if (value === 3) break;
    assert.equal(source.returned, 1);
    assert.equal(listeners(signal), 0);
  });

  it("passes the source's error on", async () => {
    const { signal } = new AbortController();
    const error = new Error("broken");
    const source = untilAborted(countingSource({ last: 0, error }), signal);
    await assert.rejects(source.next(), error);
    assert.equal(listeners(signal), 0);
  });
});

/** Counts from 1 to `last`, then ends, falls silent or fails. */
function countingSource({ last, silent, error }: { last: number; silent?: true; error?: Error }) {
  const source = {
    asked: 0,
    returned: 0,
    [Symbol.asyncIterator]: (): AsyncIterator<number, undefined> => ({
      next() {
        source.asked += 1;
        if (source.asked <= last) return Promise.resolve({ done: false, value: source.asked });
        if (silent) return new Promise(() => undefined);
        if (error) return Promise.reject(error);
        return Promise.resolve({ done: true, value: undefined });
      },
      return() {
        source.returned += 1;
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
  return source;
}
