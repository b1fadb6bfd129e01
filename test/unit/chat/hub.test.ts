import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { createHub, type ListenOptions } from "../../../src/chat/hub.ts";
import { take } from "../../support/engine.ts";
import { settle } from "../../support/loops.ts";

describe("the hub", () => {
  it("gives every listener what is emitted from the moment it listens, in order", async () => {
    const hub = createHub<number>();
    hub.emit(0);
    const first = iterate(hub.listen(options()));
    hub.emit(1);
    const second = iterate(hub.listen(options()));
    hub.emit(2);
    assert.deepEqual(await take(first, 2), [1, 2]);
    assert.deepEqual(await take(second, 1), [2]);
    const next = first.next();
    hub.emit(3);
    assert.deepEqual(await next, { done: false, value: 3 });
  });

  it("ends a listener when its signal aborts, also while it waits, and leaves nothing on it", async () => {
    const left: number[] = [];
    const hub = createHub<number>(() => left.push(hub.size()));
    const leaving = new AbortController();
    const listener = iterate(hub.listen(options(leaving.signal)));
    const next = listener.next();
    await settle();
    leaving.abort();
    assert.deepEqual(await next, { done: true, value: undefined });
    assert.deepEqual([hub.size(), left], [0, [0]]);
    assert.equal(getEventListeners(leaving.signal, "abort").length, 0);
  });

  it("forgets a listener that was never asked for a value once its signal aborts", () => {
    const hub = createHub<number>();
    const leaving = new AbortController();
    hub.listen(options(leaving.signal));
    assert.equal(hub.size(), 1);
    leaving.abort();
    assert.equal(hub.size(), 0);
  });

  it("forgets a listener that is returned", async () => {
    const hub = createHub<number>();
    const { signal } = new AbortController();
    const listener = iterate(hub.listen(options(signal)));
    hub.emit(1);
    await listener.next();
    await listener.return?.();
    assert.equal(hub.size(), 0);
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });

  it("says that a listener has left also when it came too late to listen", async () => {
    let left = 0;
    const hub = createHub<number>(() => {
      left += 1;
    });
    const listener = iterate(hub.listen(options(AbortSignal.abort())));
    hub.emit(1);
    assert.equal(left, 1);
    assert.deepEqual(await listener.next(), { done: true, value: undefined });
  });

  it("ends one that does not keep up after what fits, and nobody else", async () => {
    const hub = createHub<number>();
    const slow = iterate(hub.listen({ ...options(), bufferedMax: 2 }));
    const other = iterate(hub.listen(options()));
    for (const value of [1, 2, 3]) hub.emit(value);
    assert.deepEqual(await take(slow, 2), [1, 2]);
    await assert.rejects(slow.next(), tooSlow);
    assert.deepEqual(await take(other, 3), [1, 2, 3]);
    assert.equal(hub.size(), 1);
  });
});

const tooSlow = new Error("too slow");

function options(signal = new AbortController().signal): ListenOptions {
  return { signal, bufferedMax: 100, onOverflow: () => tooSlow };
}

function iterate<T>(values: AsyncIterable<T>): AsyncIterator<T> {
  return values[Symbol.asyncIterator]();
}
