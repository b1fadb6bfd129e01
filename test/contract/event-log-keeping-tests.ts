import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  appendTurn,
  batchOf,
  createFakeClock,
  expired,
  labelOf,
  take,
  updateOf,
} from "./event-log-samples.ts";
import type { CreateEventLog } from "./event-log-suite.ts";

export function keepingTests(create: CreateEventLog): void {
  test("the floor is what retention removed last", async (t) => {
    const clock = createFakeClock();
    const log = await create(t, { retentionMs: 1_000, clock });
    assert.equal(await log.floor("s1"), 0);
    await appendTurn(log, "t1", 1);
    assert.equal(await log.floor("s1"), 0);
    clock.advance(5_000);
    await log.prune();
    assert.equal(await log.floor("s1"), 2);
    await appendTurn(log, "t2", 2);
    assert.equal(await log.floor("s1"), 2);
  });

  test("whatever retention removes, all the session's own events are told, once, in order", async (t) => {
    const clock = createFakeClock();
    const log = await create(t, { retentionMs: 1_000, clock });
    let session = 0;
    const step = fc.constantFrom("update" as const, "turn" as const, "prune" as const);
    const steps = fc.array(step, { maxLength: 25 });
    const property = fc.asyncProperty(
      steps,
      fc.nat(30),
      fc.nat(30),
      async (list, after, through) => {
        session += 1;
        const sessionId = `session ${session}`;
        const expected: [number, string][] = [];
        for (const [index, one] of list.entries()) {
          if (one === "update") {
            const { lastSequence } = await log.append(updateOf(sessionId, "a", "b"));
            expected.push([lastSequence - 1, "a"], [lastSequence, "b"]);
          } else if (one === "turn") {
            await appendTurn(log, `t${index}`, index + 1, 1, sessionId);
          } else {
            clock.advance(700);
            await log.prune();
          }
        }
        const told = await log.sessionEvents(sessionId, after, through);
        assert.deepEqual(
          told.map((event) => [event.sequence, labelOf(event)]),
          expected.filter(([sequence]) => sequence > after && sequence <= through),
        );
        assert.ok(told.every(({ turnId }) => turnId === ""));
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });

  test("a dropped session's own events are gone, and those of others stay", async (t) => {
    const clock = createFakeClock();
    const log = await create(t, { retentionMs: 1_000, clock });
    for (const sessionId of ["s1", "s2"]) await log.append(updateOf(sessionId, "one"));
    clock.advance(5_000);
    await log.prune();
    await log.append(updateOf("s1", "two"));
    await log.drop("s1");
    assert.deepEqual(await log.sessionEvents("s1", 0, 10), []);
    assert.deepEqual((await log.sessionEvents("s2", 0, 10)).map(labelOf), ["one"]);
    assert.deepEqual(await log.sessionEvents("unknown", 0, 10), []);
  });

  test("a log that goes on behind a gap uses no sequence of it", async (t) => {
    const log = await create(t);
    await log.append(updateOf("s1", "one"));
    await log.append(batchOf(1));
    await log.skipTo("s1", 10);
    assert.equal(await log.lastSequence("s1"), 10);
    assert.equal(await log.floor("s1"), 10);
    await assert.rejects(take(log, "s1", 1, 1), expired);
    await assert.rejects(take(log, "s1", 9, 1), expired);
    const reading = take(log, "s1", 10, 1);
    assert.equal((await log.append(batchOf(2))).firstSequence, 11);
    assert.deepEqual((await reading).map(labelOf), ["2"]);
    assert.deepEqual((await log.turnEvents("s1", "t1")).map(labelOf), ["1", "2"]);
    assert.deepEqual((await log.sessionEvents("s1", 0, 20)).map(labelOf), ["one"]);
  });

  test("a log that is not behind stays as it is", async (t) => {
    const log = await create(t);
    await log.append(updateOf("s1", "one", "two"));
    await log.skipTo("s1", 2);
    await log.skipTo("s1", 1);
    assert.equal(await log.floor("s1"), 0);
    assert.equal((await take(log, "s1", 0, 2)).length, 2);
  });

  test("a session whose log is gone goes on where it is told to", async (t) => {
    const clock = createFakeClock();
    const log = await create(t, { retentionMs: 1_000, clock });
    await log.skipTo("s1", 7);
    assert.equal((await appendTurn(log, "t1", 4)).firstSequence, 8);
    clock.advance(5_000);
    await log.prune();
    assert.equal(await log.floor("s1"), 9);
  });

  test("an append beside it has a sequence of its own", async (t) => {
    const log = await create(t);
    const [appended] = await Promise.all([log.append(updateOf("s1", "one")), log.skipTo("s1", 5)]);
    const next = await log.append(updateOf("s1", "two"));
    assert.ok(appended.lastSequence < next.firstSequence);
    assert.ok(next.firstSequence > 5);
  });
}
