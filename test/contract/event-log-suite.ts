import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import type { Event } from "../../src/chat/event.ts";
import type { EventLogOptions, RetainedEventLog } from "../../src/event-log/log.ts";
import { keepingTests } from "./event-log-keeping-tests.ts";
import {
  appendTurn,
  assertFollows,
  batchOf,
  chunk,
  createFakeClock,
  end,
  labelOf,
  take,
  updateOf,
} from "./event-log-samples.ts";
import { waitingTests } from "./event-log-waiting-tests.ts";

/** Makes a log that is closed after the test; `options` are over those that keep everything. */
export type CreateEventLog = (
  t: Pick<TestContext, "after">,
  options?: Partial<EventLogOptions>,
) => Promise<RetainedEventLog>;

export const keepEverything = {
  retentionMs: Number.MAX_SAFE_INTEGER,
  retentionBytes: Number.MAX_SAFE_INTEGER,
};

const staleFence = { kind: "aborted", reason: "STALE_FENCE" };
const expired = { kind: "data_loss", reason: "EVENTS_EXPIRED" };
const outOfRange = { kind: "out_of_range", reason: "SEQUENCE_OUT_OF_RANGE" };

/** What event-log.ts promises, on the log that `create` makes. */
export function eventLogSuite(name: string, create: CreateEventLog): void {
  describe(`event log ${name}: appends`, () => appendTests(create));
  describe(`event log ${name}: fences and repetition`, () => fenceTests(create));
  describe(`event log ${name}: readers`, () => readerTests(create));
  describe(`event log ${name}: retention`, () => retentionTests(create));
  describe(`event log ${name}: turns that wait`, () => waitingTests(create));
  describe(`event log ${name}: what is kept`, () => keepingTests(create));
  describe(`event log ${name}: ends`, () => closeTests(create));
  test(`event log ${name}: each reader's view equals the log from its start`, async (t) => {
    await readersSeeTheLog(t, create);
  });
}

function appendTests(create: CreateEventLog): void {
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

function fenceTests(create: CreateEventLog): void {
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

function readerTests(create: CreateEventLog): void {
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

function retentionTests(create: CreateEventLog): void {
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

  test("a turn without an end is kept whole, until it has one", async (t) => {
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
    await log.append(batchOf(3, { fence: 2, events: [end] }));
    await log.prune();
    await assert.rejects(take(log, "s1", 2, 1), expired);
    assert.deepEqual((await take(log, "s1", 3, 2)).map(labelOf), ["2", "end"]);
  });

  test("a reader that retention overtakes is told so", async (t) => {
    const clock = createFakeClock();
    const log = await create(t, { retentionMs: 1_000, clock });
    await log.append(batchOf(1));
    await log.append(batchOf(2, { events: [end] }));
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

function closeTests(create: CreateEventLog): void {
  test("a dropped session's readers end and its events are gone; the others stay", async (t) => {
    const log = await create(t);
    await log.append(batchOf(1));
    await log.append(updateOf("s2", "renamed"));
    const reader = log.read("s1", 1, new AbortController().signal)[Symbol.asyncIterator]();
    const waiting = reader.next();
    await log.drop("s1");
    assert.deepEqual(await waiting, { done: true, value: undefined });
    assert.equal(await log.lastSequence("s1"), 0);
    assert.deepEqual(await log.turnEvents("s1", "t1"), []);
    await log.drop("s1");
    await log.drop("unknown");
    assert.equal((await take(log, "s2", 0, 1)).length, 1);
  });

  test("an append that a drop overtakes is refused", async (t) => {
    const log = await create(t);
    await log.append(batchOf(1));
    const [appended] = await Promise.allSettled([log.append(batchOf(2)), log.drop("s1")]);
    assert.ok(appended.status === "rejected");
    assert.equal(appended.reason.reason, "SESSION_NOT_FOUND");
    assert.equal(await log.lastSequence("s1"), 0);
  });

  test("close waits for what is being written, ends the readers, and refuses appends", async (t) => {
    const log = await create(t);
    const reading = take(log, "s1", 0, 5);
    const appended = log.append(batchOf(1));
    const closed = log.close();
    await assert.rejects(log.append(batchOf(2)), { kind: "unavailable" });
    assert.equal((await appended).lastSequence, 1);
    await closed;
    await log.close();
    assert.equal((await reading).length, 1);
    assert.deepEqual(await take(log, "s1", 0, 1), []);
    assert.deepEqual(await take(log, "unknown", 0, 1), []);
  });
}

type Step =
  | { do: "append"; session: number; events: number }
  | { do: "read"; session: number; skip: number }
  | { do: "advance"; reader: number; events: number }
  | { do: "pause" };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant("append" as const),
      session: fc.nat(2),
      events: fc.integer({ min: 1, max: 5 }),
    }),
    fc.record({ do: fc.constant("read" as const), session: fc.nat(2), skip: fc.nat(9) }),
    fc.record({
      do: fc.constant("advance" as const),
      reader: fc.nat(9),
      events: fc.integer({ min: 1, max: 7 }),
    }),
    fc.record({ do: fc.constant("pause" as const) }),
  ),
  { maxLength: 60 },
);

/** Any interleaving of appends, readers that begin anywhere, and paces. */
async function readersSeeTheLog(t: TestContext, create: CreateEventLog): Promise<void> {
  const log = await create(t);
  let run = 0;
  const property = fc.asyncProperty(steps, async (list) => {
    run += 1;
    await runSteps(log, `run ${run}`, list);
  });
  await fc.assert(property, { numRuns: 60 });
}

async function runSteps(log: RetainedEventLog, prefix: string, list: Step[]): Promise<void> {
  const written = new Map<string, string[]>();
  const appends: Promise<unknown>[] = [];
  const readers: { sessionId: string; from: number; seen: Event[]; work: Promise<void> }[] = [];
  const iterators: AsyncIterator<Event>[] = [];
  const controller = new AbortController();
  const sessionOf = (session: number) => `${prefix}, session ${session}`;

  async function advance(index: number, events: number): Promise<void> {
    for (let count = 0; count < events; count += 1) {
      const next = await iterators[index]?.next();
      if (next === undefined || next.done === true) return;
      readers[index]?.seen.push(next.value);
    }
  }

  for (const step of list) {
    if (step.do === "append") {
      const sessionId = sessionOf(step.session);
      const texts = written.get(sessionId) ?? [];
      written.set(sessionId, texts);
      const names = Array.from(
        { length: step.events },
        (_item, index) => `${texts.length + index}`,
      );
      texts.push(...names);
      appends.push(log.append(updateOf(sessionId, ...names)));
    } else if (step.do === "read") {
      const sessionId = sessionOf(step.session);
      const from = Math.min(step.skip, await log.lastSequence(sessionId));
      readers.push({ sessionId, from, seen: [], work: Promise.resolve() });
      const { signal } = controller;
      iterators.push(log.read(sessionId, from, signal)[Symbol.asyncIterator]());
    } else if (step.do === "advance" && step.reader < readers.length) {
      const reader = readers[step.reader];
      if (reader !== undefined) {
        reader.work = reader.work.then(() => advance(step.reader, step.events));
      }
    } else {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  await Promise.all(appends);
  for (const [index, reader] of readers.entries()) {
    const texts = written.get(reader.sessionId) ?? [];
    // To the end, whatever it was asked for before; more than that waits for the abort.
    reader.work = reader.work.then(() =>
      advance(index, texts.length - reader.from - reader.seen.length),
    );
  }
  const settled = Promise.all(readers.map(({ work }) => work));
  await untilQuiet(readers, written);
  controller.abort();
  await settled;
  for (const { sessionId, from, seen } of readers) {
    assertFollows(seen, from + 1);
    assert.deepEqual(seen.map(labelOf), (written.get(sessionId) ?? []).slice(from));
  }
}

/** Waits until every reader has all there is; each turn of the loop gives one at least one event. */
async function untilQuiet(
  readers: readonly { sessionId: string; from: number; seen: Event[] }[],
  written: ReadonlyMap<string, string[]>,
): Promise<void> {
  const missing = () =>
    readers.reduce((sum, { sessionId, from, seen }) => {
      return sum + (written.get(sessionId)?.length ?? 0) - from - seen.length;
    }, 0);
  for (let rounds = 0; missing() > 0; rounds += 1) {
    assert.ok(rounds < 10_000, `${missing()} events were not delivered`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
