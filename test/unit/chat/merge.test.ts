import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createMerge } from "../../../src/chat/merge.ts";
import { take } from "../../support/engine.ts";
import { createFakeTimers } from "../../support/fake-timers.ts";
import { settle } from "../../support/loops.ts";

describe("merged sources", () => {
  it("keep the order of each and lose nothing, whatever their paces are", async () => {
    const paces = fc.array(fc.array(fc.nat({ max: 5 }), { maxLength: 8 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(paces, async (sources) => {
        const merge = createMerge<{ source: number; index: number }>({ signal: never() });
        for (const [source, pauses] of sources.entries()) merge.add(paced(source, pauses));
        const values = await Array.fromAsync(merge);
        for (const [source, pauses] of sources.entries()) {
          const indexes = values.filter((value) => value.source === source);
          assert.deepEqual(
            indexes.map(({ index }) => index),
            [...pauses.keys()],
          );
        }
      }),
    );
  });

  it("may join while the others go on", async () => {
    const merge = createMerge<string>({ signal: never() });
    merge.add(
      (async function* () {
        yield "a";
        merge.add(of("b"));
        yield "c";
      })(),
    );
    assert.deepEqual((await Array.fromAsync(merge)).toSorted(), ["a", "b", "c"]);
  });

  it("keep their own pace: one value of each is asked for at a time", async () => {
    let asked = 0;
    const merge = createMerge<number>({ signal: never() });
    merge.add(
      (async function* () {
        for (;;) {
          asked += 1;
          yield asked;
        }
      })(),
    );
    const values = merge[Symbol.asyncIterator]();
    await values.next();
    await settle();
    assert.equal(asked, 1);
    await values.return?.();
  });

  it("end with the first that throws, and the others are returned", async () => {
    const failure = new Error("broken");
    let returned = false;
    const merge = createMerge<string>({ signal: never() });
    merge.add(
      (async function* () {
        try {
          yield "a";
          yield "b";
        } finally {
          returned = true;
        }
      })(),
    );
    merge.add(failing(failure));
    await assert.rejects(Array.fromAsync(merge), failure);
    await settle();
    assert.equal(returned, true);
  });

  it("throw the signal's reason while all are silent, and leave no listener", async () => {
    const leaving = new AbortController();
    const merge = createMerge<string>({ signal: leaving.signal });
    merge.add(silent());
    const next = merge[Symbol.asyncIterator]().next();
    await settle();
    const reason = new Error("left");
    leaving.abort(reason);
    await assert.rejects(next, reason);
    assert.equal(getEventListeners(leaving.signal, "abort").length, 0);
  });

  it("fill silence, again and again, and count from the last value", async (t) => {
    const timers = createFakeTimers(t);
    let beat = 0;
    const nextBeat = () => {
      beat += 1;
      return `beat ${beat}`;
    };
    const silence = { ms: 100, value: nextBeat };
    const merge = createMerge<string>({ signal: never(), silence });
    const { promise: goOn, resolve } = Promise.withResolvers<void>();
    merge.add(
      (async function* () {
        await goOn;
        yield "value";
        await new Promise<never>(() => {});
      })(),
    );
    const values = merge[Symbol.asyncIterator]();
    const first = values.next();
    timers.tick(99);
    resolve();
    assert.equal((await first).value, "value");
    const beats = take(values, 1);
    await settle();
    timers.tick(99);
    await settle();
    assert.equal(beat, 0);
    timers.tick(1);
    assert.deepEqual(await beats, ["beat 1"]);
    await values.return?.();
    assert.equal(timers.running(), 0);
  });

  it("give what has arrived before they throw the signal's reason", async () => {
    const leaving = new AbortController();
    const merge = createMerge<string>({ signal: leaving.signal });
    merge.add(of("a"));
    merge.add(of("b"));
    await settle();
    const reason = new Error("left");
    leaving.abort(reason);
    const values = merge[Symbol.asyncIterator]();
    assert.deepEqual((await take(values, 2)).toSorted(), ["a", "b"]);
    await assert.rejects(values.next(), reason);
  });

  it("do not wait for one in the background, which is returned like the others", async () => {
    let returned = false;
    const merge = createMerge<string>({ signal: never() });
    merge.add(of("a"));
    merge.addBackground(
      (async function* () {
        try {
          for (;;) yield "b";
        } finally {
          returned = true;
        }
      })(),
    );
    const values = await Array.fromAsync(merge);
    assert.ok(values.includes("a"));
    await settle();
    assert.equal(returned, true);
  });

  it("are none: it ends at once", async () => {
    assert.deepEqual(await Array.fromAsync(createMerge({ signal: never() })), []);
  });
});

function never(): AbortSignal {
  return new AbortController().signal;
}

async function* of<T>(...values: T[]): AsyncGenerator<T> {
  yield* values;
}

async function* paced(source: number, pauses: readonly number[]) {
  for (const [index, pause] of pauses.entries()) {
    for (let count = 0; count < pause; count += 1) await Promise.resolve();
    yield { source, index };
  }
}

function failing(error: Error): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
}

function silent(): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
}
