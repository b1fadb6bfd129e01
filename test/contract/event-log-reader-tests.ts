import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import type { Event } from "../../src/chat/event.ts";
import { assertFollows, batchOf, chunk, labelOf, take } from "./event-log-samples.ts";
import type { CreateEventLog } from "./event-log-suite.ts";

const outOfRange = { kind: "out_of_range", reason: "SEQUENCE_OUT_OF_RANGE" };

export function readerTests(create: CreateEventLog): void {
  test("a reader gets what was recorded, then what is, in order", async (t) => {
    const log = await create(t);
    await log.append(batchOf(1));
    const reading = take(log, "s1", 0, 4);
    for (const batch of [2, 3, 4]) await log.append(batchOf(batch));
    const events = await reading;
    assert.deepEqual(events.map(labelOf), ["1", "2", "3", "4"]);
    assertFollows(events, 1);
  });

  test("a reader begins behind its sequence, also at the very end", async (t) => {
    const log = await create(t);
    for (const batch of [1, 2, 3]) await log.append(batchOf(batch));
    assert.deepEqual((await take(log, "s1", 1, 2)).map(labelOf), ["2", "3"]);
    const reading = take(log, "s1", 3, 1);
    await log.append(batchOf(4));
    assert.deepEqual((await reading).map(labelOf), ["4"]);
  });

  test("a reader of a session without events waits for the first", async (t) => {
    const log = await create(t);
    const reading = take(log, "s1", 0, 1);
    await log.append(batchOf(1));
    assert.deepEqual((await reading).map(labelOf), ["1"]);
  });

  test("a sequence that is still to come is out of range", async (t) => {
    const log = await create(t);
    await log.append(batchOf(1));
    await assert.rejects(
      take(log, "s1", 2, 1),
      (error: { metadata: { last_sequence?: string } }) => {
        assert.equal(error.metadata.last_sequence, "1");
        return true;
      },
    );
    await assert.rejects(take(log, "s1", 2, 1), outOfRange);
    await assert.rejects(take(log, "unknown", 1, 1), outOfRange);
  });

  test("abort ends a reader that waits, and leaves no listener on the signal", async (t) => {
    const log = await create(t);
    await log.append(batchOf(1));
    const controller = new AbortController();
    const reader = log.read("s1", 0, controller.signal)[Symbol.asyncIterator]();
    assert.equal((await reader.next()).value?.sequence, 1);
    const waiting = reader.next();
    assert.equal(getEventListeners(controller.signal, "abort").length, 1);
    controller.abort();
    assert.deepEqual(await waiting, { done: true, value: undefined });
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
    assert.deepEqual(await reader.next(), { done: true, value: undefined });
  });

  test("a signal that was aborted before gives nothing", async (t) => {
    const log = await create(t);
    await log.append(batchOf(1));
    const reader = log.read("s1", 0, AbortSignal.abort())[Symbol.asyncIterator]();
    assert.deepEqual(await reader.next(), { done: true, value: undefined });
  });

  test("abort ends a reader that has more to get", async (t) => {
    const log = await create(t);
    await log.append(batchOf(1, { events: [chunk("a"), chunk("b")] }));
    const controller = new AbortController();
    const seen: Event[] = [];
    for await (const event of log.read("s1", 0, controller.signal)) {
      seen.push(event);
      controller.abort();
    }
    assert.equal(seen.length, 1);
  });

  test("leaving the loop, by a break or in mid wait, leaves no listener", async (t) => {
    const log = await create(t);
    await log.append(batchOf(1));
    const { signal } = new AbortController();
    for await (const event of log.read("s1", 0, signal)) if (event.sequence === 1) break;
    const reader = log.read("s1", 1, signal)[Symbol.asyncIterator]();
    const waiting = reader.next();
    await reader.return?.();
    assert.deepEqual(await waiting, { done: true, value: undefined });
    assert.equal(getEventListeners(signal, "abort").length, 0);
    await log.append(batchOf(2));
  });

  test("a reader that is never advanced listens to nothing", async (t) => {
    const log = await create(t);
    const { signal } = new AbortController();
    const reader = log.read("s1", 0, signal)[Symbol.asyncIterator]();
    assert.equal(getEventListeners(signal, "abort").length, 0);
    await log.append(batchOf(1));
    assert.equal((await reader.next()).value?.sequence, 1);
  });

  test("a slow reader keeps nobody waiting", async (t) => {
    const log = await create(t);
    await log.append(batchOf(1));
    const slow = log.read("s1", 0, new AbortController().signal)[Symbol.asyncIterator]();
    await slow.next();
    for (let batch = 2; batch <= 100; batch += 1) await log.append(batchOf(batch));
    assertFollows(await take(log, "s1", 0, 100), 1);
    assert.equal((await slow.next()).value?.sequence, 2);
  });
}
