import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Event } from "../../src/chat/event.ts";
import type { RetainedEventLog } from "../../src/event-log/log.ts";
import { assertFollows, labelOf, updateOf } from "./event-log-samples.ts";
import type { CreateEventLog } from "./event-log-suite.ts";

/** Any interleaving of appends, readers that begin anywhere, and paces. */
export function viewTests(create: CreateEventLog): void {
  test("each reader's view equals the log from its start", async (t) => {
    const log = await create(t);
    let run = 0;
    const property = fc.asyncProperty(steps, async (list) => {
      run += 1;
      await runSteps(log, `run ${run}`, list);
    });
    await fc.assert(property, { numRuns: 60 });
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
