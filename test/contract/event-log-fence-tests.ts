import assert from "node:assert/strict";
import { test } from "node:test";
import { batchOf, chunk, end, staleFence, updateOf } from "./event-log-samples.ts";
import type { CreateEventLog } from "./event-log-suite.ts";

export function fenceTests(create: CreateEventLog): void {
  test("a repeated batch returns its first result and adds nothing", async (t) => {
    const log = await create(t);
    const first = await log.append(batchOf(1, { events: [chunk("a"), chunk("b")] }));
    await log.append(updateOf("s1", "between"));
    const second = await log.append(batchOf(3));
    assert.deepEqual(await log.append(batchOf(1, { events: [chunk("a"), chunk("b")] })), first);
    assert.deepEqual(await log.append(batchOf(3)), second);
    assert.equal(await log.lastSequence("s1"), 4);
  });

  test("a batch repeated in the same tick is written once", async (t) => {
    const log = await create(t);
    const [one, other] = await Promise.all([log.append(batchOf(1)), log.append(batchOf(1))]);
    assert.deepEqual(one, other);
    assert.equal(await log.lastSequence("s1"), 1);
  });

  test("a fence below the session's highest is stale", async (t) => {
    const log = await create(t);
    await log.append(batchOf(1, { fence: 2, turnId: "t2" }));
    await assert.rejects(log.append(batchOf(1, { fence: 1 })), staleFence);
    const [higher, lower] = await Promise.allSettled([
      log.append(batchOf(1, { fence: 4, turnId: "t4" })),
      log.append(batchOf(1, { fence: 3, turnId: "t3" })),
    ]);
    assert.equal(higher.status, "fulfilled");
    assert.ok(lower.status === "rejected");
    assert.equal(lower.reason.reason, "STALE_FENCE");
    await log.append(batchOf(1, { sessionId: "s2", fence: 1 }));
    assert.equal(await log.lastSequence("s1"), 2);
  });

  test("a turn that is taken over begins its batches anew under the higher fence", async (t) => {
    const log = await create(t);
    await log.append(batchOf(1));
    const taken = await log.append(batchOf(1, { fence: 2, events: [end] }));
    assert.equal(taken.firstSequence, 2);
    await assert.rejects(log.append(batchOf(2)), staleFence);
  });

  test("events that belong to no turn need no fence, and keep the turn's", async (t) => {
    const log = await create(t);
    await log.append(batchOf(1, { fence: 5 }));
    await log.append(updateOf("s1", "renamed"));
    await assert.rejects(log.append(batchOf(1, { fence: 4, turnId: "t4" })), staleFence);
  });

  test("the end that is appended first wins", async (t) => {
    const log = await create(t);
    await log.append(batchOf(1));
    const [first, second] = await Promise.allSettled([
      log.append(batchOf(2, { events: [end] })),
      log.append(batchOf(3, { events: [end] })),
    ]);
    assert.equal(first.status, "fulfilled");
    assert.equal(second.status, "rejected");
    await assert.rejects(log.append(batchOf(4)), staleFence);
    assert.deepEqual(await log.append(batchOf(2, { events: [end] })), {
      firstSequence: 2,
      lastSequence: 2,
    });
  });
}
