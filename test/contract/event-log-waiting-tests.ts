import assert from "node:assert/strict";
import { test } from "node:test";
import {
  appendTurn,
  batchOf,
  chunk,
  createFakeClock,
  end,
  labelOf,
  staleFence,
  take,
  waitingBatchOf,
} from "./event-log-samples.ts";
import type { CreateEventLog } from "./event-log-suite.ts";

const cancelled = { ...end, finishReason: "cancelled" } as typeof end;

export function waitingTests(create: CreateEventLog): void {
  test("a turn that waits writes without a fence, and does not disturb the one that runs", async (t) => {
    const log = await create(t);
    await log.append(batchOf(1, { fence: 5 }));
    const queued = await log.append(waitingBatchOf("t2"));
    assert.deepEqual(queued, { firstSequence: 2, lastSequence: 2 });
    assert.equal((await log.append(batchOf(2, { fence: 5 }))).firstSequence, 3);
    await log.append(waitingBatchOf("t3"));
    await assert.rejects(log.append(batchOf(1, { fence: 4, turnId: "t4" })), staleFence);
    assert.equal((await log.append(batchOf(3, { fence: 5, events: [end] }))).firstSequence, 5);
    await assert.rejects(log.append(batchOf(4, { fence: 5 })), staleFence);
  });

  test("what it repeats returns its first result, also in the same tick", async (t) => {
    const log = await create(t);
    const [one, other] = await Promise.all([
      log.append(waitingBatchOf("t2")),
      log.append(waitingBatchOf("t2")),
    ]);
    assert.deepEqual(one, other);
    await log.append(waitingBatchOf("t3"));
    await log.append(batchOf(1));
    assert.deepEqual(await log.append(waitingBatchOf("t2")), one);
    assert.equal(await log.lastSequence("s1"), 3);
  });

  test("a turn that ran begins behind what it wrote while it waited", async (t) => {
    const log = await create(t);
    await log.append(waitingBatchOf("t1"));
    await appendTurn(log, "t0", 1);
    await log.append(batchOf(2, { fence: 2 }));
    const ended = await log.append(batchOf(3, { fence: 2, events: [end] }));
    const events = await log.turnEvents("s1", "t1");
    assert.deepEqual(
      events.map((event) => [event.sequence, labelOf(event)]),
      [
        [1, "turn_queued"],
        [4, "2"],
        [5, "end"],
      ],
    );
    assert.deepEqual(await log.append(batchOf(3, { fence: 2, events: [end] })), ended);
    await assert.rejects(log.append(waitingBatchOf("t1", 4)), staleFence);
  });

  test("a withdrawn turn ends once, beside the one that runs", async (t) => {
    const log = await create(t);
    await log.append(batchOf(1, { fence: 3 }));
    await log.append(waitingBatchOf("t2"));
    const ended = await log.append(waitingBatchOf("t2", 2, [cancelled]));
    assert.deepEqual(await log.append(waitingBatchOf("t2", 2, [cancelled])), ended);
    await assert.rejects(log.append(waitingBatchOf("t2", 3, [cancelled])), staleFence);
    assert.equal((await log.append(batchOf(2, { fence: 3 }))).firstSequence, 4);
  });

  test("of two ends in one tick the first wins", async (t) => {
    const log = await create(t);
    const [first, second] = await Promise.allSettled([
      log.append(waitingBatchOf("t2", 1, [cancelled])),
      log.append(waitingBatchOf("t2", 2, [cancelled])),
    ]);
    assert.equal(first.status, "fulfilled");
    assert.equal(second.status, "rejected");
  });

  test("other events in the place of earlier ones are stale", async (t) => {
    const log = await create(t);
    const [event] = waitingBatchOf("t2").events;
    assert.ok(event);
    await log.append(waitingBatchOf("t2", 1, [event, event]));
    await assert.rejects(log.append(waitingBatchOf("t2", 2)), staleFence);
    assert.equal((await log.append(waitingBatchOf("t2", 3))).firstSequence, 3);
  });

  test("what a turn wrote while it waits is kept until its end is stored, and all behind it", async (t) => {
    const clock = createFakeClock();
    const log = await create(t, { retentionMs: 1_000, clock });
    await appendTurn(log, "t0", 1);
    await log.append(waitingBatchOf("t1"));
    await appendTurn(log, "t2", 2);
    clock.advance(5_000);
    await log.prune();
    assert.equal(await log.floor("s1"), 2);
    assert.equal((await take(log, "s1", 2, 3)).length, 3);
    await log.append(batchOf(2, { fence: 3, events: [chunk("a")] }));
    clock.advance(5_000);
    await log.prune();
    assert.equal(await log.floor("s1"), 2);
    await log.append(batchOf(3, { fence: 3, events: [end] }));
    clock.advance(5_000);
    await log.prune();
    assert.equal(await log.floor("s1"), 2);
    await log.release("s1", "t1");
    await log.prune();
    assert.equal(await log.floor("s1"), 7);
  });

  test("a withdrawn turn is let go when its end is stored", async (t) => {
    const clock = createFakeClock();
    const log = await create(t, { retentionMs: 1_000, clock });
    await log.append(waitingBatchOf("t2"));
    await log.release("s1", "t2");
    await log.append(waitingBatchOf("t2", 2, [cancelled]));
    clock.advance(5_000);
    await log.prune();
    assert.equal(await log.floor("s1"), 0);
    await log.release("s1", "t2");
    await log.prune();
    assert.equal(await log.floor("s1"), 2);
  });
}
