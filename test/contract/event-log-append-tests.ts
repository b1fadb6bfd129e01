import assert from "node:assert/strict";
import { test } from "node:test";
import { appendTurn, batchOf, chunk, end, labelOf, take, updateOf } from "./event-log-samples.ts";
import type { CreateEventLog } from "./event-log-suite.ts";

export function appendTests(create: CreateEventLog): void {
  test("sequences start at 1, per session, without gaps", async (t) => {
    const log = await create(t);
    assert.equal(await log.lastSequence("s1"), 0);
    const events = [chunk("a"), chunk("b"), chunk("c")];
    assert.deepEqual(await log.append(batchOf(1, { events })), {
      firstSequence: 1,
      lastSequence: 3,
    });
    assert.deepEqual(await log.append(updateOf("s1", "renamed")), {
      firstSequence: 4,
      lastSequence: 4,
    });
    assert.deepEqual(await log.append(updateOf("s2", "renamed")), {
      firstSequence: 1,
      lastSequence: 1,
    });
    assert.equal(await log.lastSequence("s1"), 4);
  });

  test("the appends of one tick are in the order in which they were called", async (t) => {
    const log = await create(t);
    const appended = await Promise.all([1, 2, 3].map((batch) => log.append(batchOf(batch))));
    assert.deepEqual(
      appended.map(({ firstSequence }) => firstSequence),
      [1, 2, 3],
    );
    assert.deepEqual((await take(log, "s1", 0, 3)).map(labelOf), ["1", "2", "3"]);
  });

  test("an event comes back as it was given, with its sequence and turn", async (t) => {
    const log = await create(t);
    const text = 'tab\t "quote" \u0000 \u2028 😀 \ud83d';
    const events = [chunk(text), end];
    await log.append(batchOf(1, { events }));
    const data = { nested: [1, null, { deep: true }] };
    const update = { type: "session_update", updateType: "session_changed", data } as const;
    const place = { at: 1, elapsedMs: 0 };
    await log.append({ ...updateOf("s1"), events: [{ ...update, ...place }] });
    assert.deepEqual(await take(log, "s1", 0, 3), [
      { ...chunk(text), sequence: 1, turnId: "t1" },
      { ...end, sequence: 2, turnId: "t1" },
      { ...update, ...place, sequence: 3, turnId: "" },
    ]);
  });

  test("an append that cannot be written down fails alone", async (t) => {
    const log = await create(t);
    const circular: { self?: unknown } = {};
    circular.self = circular;
    const event = {
      type: "session_update",
      updateType: "session_changed",
      at: 1,
      elapsedMs: 0,
    } as const;
    const [bad, good] = await Promise.allSettled([
      log.append({ ...updateOf("s1"), events: [{ ...event, data: circular }] }),
      log.append(updateOf("s1", "good")),
    ]);
    assert.equal(bad.status, "rejected");
    assert.deepEqual(good, {
      status: "fulfilled",
      value: { firstSequence: 1, lastSequence: 1 },
    });
  });

  test("a turn's events are found for its recovery", async (t) => {
    const log = await create(t);
    await appendTurn(log, "t0", 1);
    await log.append(batchOf(1, { fence: 2 }));
    await log.append(updateOf("s1", "renamed"));
    await log.append(batchOf(2, { fence: 2 }));
    const events = await log.turnEvents("s1", "t1");
    assert.deepEqual(
      events.map((event) => [event.sequence, labelOf(event)]),
      [
        [3, "1"],
        [5, "2"],
      ],
    );
    assert.deepEqual(await log.turnEvents("s1", "unknown"), []);
    assert.deepEqual(await log.turnEvents("unknown", "t1"), []);
  });
}
