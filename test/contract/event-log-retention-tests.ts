import assert from "node:assert/strict";
import { test } from "node:test";
import {
  appendTurn,
  batchOf,
  chunk,
  createFakeClock,
  end,
  expired,
  labelOf,
  staleFence,
  take,
  updateOf,
} from "./event-log-samples.ts";
import type { CreateEventLog } from "./event-log-suite.ts";

export function retentionTests(create: CreateEventLog): void {
  test("what is older than the retention goes, oldest first, and sequences go on", async (t) => {
    const clock = createFakeClock();
    const log = await create(t, { retentionMs: 1_000, clock });
    await appendTurn(log, "t1", 1);
    clock.advance(900);
    await appendTurn(log, "t2", 2);
    clock.advance(200);
    await log.prune();
    await assert.rejects(take(log, "s1", 0, 1), expired);
    await assert.rejects(take(log, "s1", 1, 1), expired);
    assert.deepEqual((await take(log, "s1", 2, 2)).map(labelOf), ["t2", "end"]);
    clock.advance(2_000);
    await log.prune();
    assert.equal(await log.lastSequence("s1"), 4);
    const reading = take(log, "s1", 4, 1);
    const next = await appendTurn(log, "t3", 3);
    assert.equal(next.firstSequence, 5);
    assert.equal((await reading)[0]?.sequence, 5);
  });

  test("what is past the retention's bytes goes, oldest first", async (t) => {
    const log = await create(t, { retentionBytes: 20_000 });
    for (let turn = 1; turn <= 100; turn += 1) await appendTurn(log, `t${turn}`, turn, 4);
    await log.prune();
    await assert.rejects(take(log, "s1", 0, 1), expired);
    const kept = await take(log, "s1", 495, 5);
    assert.deepEqual(kept.map(labelOf), ["t100", "t100", "t100", "t100", "end"]);
  });

  test("a turn is kept whole, until it has an end and the store has that", async (t) => {
    const clock = createFakeClock();
    const log = await create(t, { retentionMs: 1_000, clock });
    await appendTurn(log, "t0", 1);
    await log.append(batchOf(1, { fence: 2 }));
    await log.append({ ...updateOf("s2", "renamed") });
    clock.advance(5_000);
    await log.append(batchOf(2, { fence: 2 }));
    await log.prune();
    assert.equal((await log.turnEvents("s1", "t1")).length, 2);
    assert.deepEqual((await take(log, "s1", 2, 2)).map(labelOf), ["1", "2"]);
    await assert.rejects(take(log, "s1", 1, 1), expired);
    await assert.rejects(take(log, "s2", 0, 1), expired);
    await log.release("s1", "t1");
    await log.append(batchOf(3, { fence: 2, events: [end] }));
    await log.release("s1", "other");
    await log.release("other", "t1");
    await log.prune();
    assert.equal(await log.floor("s1"), 2);
    assert.equal((await log.turnEvents("s1", "t1")).length, 3);
    await log.release("s1", "t1");
    await log.prune();
    await log.release("s1", "t1");
    await assert.rejects(take(log, "s1", 2, 1), expired);
    assert.deepEqual((await take(log, "s1", 3, 2)).map(labelOf), ["2", "end"]);
  });

  test("a turn whose end is not stored is kept, however little room there is", async (t) => {
    const log = await create(t, { retentionBytes: 1 });
    const events = [chunk("x".repeat(10_000)), end];
    await log.append(batchOf(1, { events }));
    await log.prune();
    assert.equal((await take(log, "s1", 0, 2)).length, 2);
    await log.release("s1", "t1");
    await log.prune();
    assert.equal(await log.floor("s1"), 2);
  });

  test("a reader that retention overtakes is told so", async (t) => {
    const clock = createFakeClock();
    const log = await create(t, { retentionMs: 1_000, clock });
    await log.append(batchOf(1));
    await log.append(batchOf(2, { events: [end] }));
    await log.release("s1", "t1");
    const reader = log.read("s1", 0, new AbortController().signal)[Symbol.asyncIterator]();
    assert.equal((await reader.next()).value?.sequence, 1);
    clock.advance(5_000);
    await log.prune();
    await assert.rejects(async () => reader.next(), expired);
    assert.deepEqual(await reader.next(), { done: true, value: undefined });
  });

  test("a stale fence stays stale when everything it wrote is gone", async (t) => {
    const clock = createFakeClock();
    const log = await create(t, { retentionMs: 1_000, clock });
    await appendTurn(log, "t1", 7);
    clock.advance(5_000);
    await log.prune();
    await assert.rejects(log.append(batchOf(1, { fence: 6 })), staleFence);
    await assert.rejects(log.append(batchOf(9, { fence: 7 })), staleFence);
  });
}
