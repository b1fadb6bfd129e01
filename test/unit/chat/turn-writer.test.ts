import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Event, NewEvent } from "../../../src/chat/event.ts";
import type { Appended, EventBatch, EventLog } from "../../../src/chat/event-log.ts";
import { createTurnWriter } from "../../../src/chat/turn-writer.ts";
import { chunkEvent } from "../../support/events.ts";

describe("the turn writer", () => {
  it("records what is pushed in one go in one append", async () => {
    const { log, batches } = createLog();
    const { writer } = open(log);
    writer.push(chunkEvent(1));
    writer.pushAll([chunkEvent(2), chunkEvent(3)]);
    await writer.flush();
    assert.deepEqual(batches, [{ ...turn, batch: 1, events: chunks(3) }]);
  });

  it("gathers what is pushed during an append for the next, numbered by what came before", async () => {
    const { log, batches, hold } = createLog();
    const { writer, recorded } = open(log);
    const release = hold();
    writer.push(chunkEvent(1));
    await turnOfPromises();
    for (const event of chunks(4).slice(1)) writer.push(event);
    release();
    await writer.flush();
    assert.deepEqual(
      batches.map(({ batch, events }) => [batch, events.length]),
      [
        [1, 1],
        [2, 3],
      ],
    );
    assert.equal(recorded.length, 4);
  });

  it("loses nothing, parts nothing that was pushed together, and keeps the order", async () => {
    // How many turns of the promise queue pass before each push, and before each append is done.
    const push = fc.tuple(fc.nat({ max: 12 }), fc.integer({ min: 1, max: 3 }));
    const pushes = fc.array(push, { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(pushes, fc.nat({ max: 6 }), async (all, slowness) => {
        const { log, batches } = createLog({ slowness });
        const { writer, recorded } = open(log);
        let pushed = 0;
        const together: number[][] = [];
        for (const [pause, count] of all) {
          for (let turns = 0; turns < pause; turns += 1) await Promise.resolve();
          const events = chunks(count, pushed + 1);
          pushed += count;
          together.push(numbersOf(events));
          writer.pushAll(events);
        }
        await writer.flush();
        assert.deepEqual(
          batches.flatMap(({ events }) => events),
          chunks(pushed),
        );
        assert.equal(recorded.length, pushed);
        for (const numbers of together) {
          const batch = batches.find(({ events }) => numbersOf(events).includes(numbers[0] ?? 0));
          assert.deepEqual(numbersOf(batch?.events ?? []).filter(isIn(numbers)), numbers);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("tells each batch once it is recorded with its sequences, and not before", async () => {
    const { log, hold } = createLog();
    const { writer, recorded } = open(log);
    const release = hold();
    writer.push(chunkEvent(1));
    await turnOfPromises();
    assert.deepEqual(recorded, []);
    release();
    await writer.flush();
    assert.deepEqual(recorded, [{ ...chunkEvent(1), sequence: 1, turnId: turn.turnId }]);
  });

  it("appends the last events behind all others", async () => {
    const { log, batches } = createLog();
    const { writer, recorded } = open(log);
    writer.push(chunkEvent(1));
    await writer.append([chunkEvent(2), chunkEvent(3)]);
    assert.deepEqual(
      batches.map(({ batch, events }) => [batch, events.length]),
      [
        [1, 1],
        [2, 2],
      ],
    );
    assert.deepEqual(
      recorded.map(({ sequence }) => sequence),
      [1, 2, 3],
    );
  });

  it("counts on from what the log has already", async () => {
    const { log, batches } = createLog();
    await open(log, { before: 7 }).writer.append([chunkEvent(8)]);
    assert.equal(batches[0]?.batch, 8);
  });

  it("drops what is pushed once an append has failed, and tells of it once", async () => {
    const { log, batches, failNext } = createLog();
    const { writer, recorded, failures } = open(log);
    const error = failNext();
    writer.push(chunkEvent(1));
    await assert.rejects(writer.flush(), error);
    writer.push(chunkEvent(2));
    await assert.rejects(writer.flush(), error);
    assert.deepEqual([failures, batches, recorded], [[error], [], []]);
  });

  it("appends the last event after a failure, and again until it is taken", async () => {
    const { log, batches, failNext } = createLog();
    const { writer, recorded } = open(log);
    writer.push(chunkEvent(1));
    await writer.flush();
    failNext();
    writer.push(chunkEvent(2));
    await assert.rejects(writer.flush());
    const error = failNext();
    await assert.rejects(writer.append([chunkEvent(3)]), error);
    await writer.append([chunkEvent(3)]);
    assert.equal(recorded.at(-1)?.sequence, 2);
    assert.deepEqual(batches.at(-1), { ...turn, batch: 2, events: [chunkEvent(3)] });
  });

  it("takes a log that throws instead of rejecting for one that failed", async () => {
    const error = new Error("broken");
    const { log } = createLog();
    const broken = {
      ...log,
      append() {
        throw error;
      },
    };
    const { writer } = open(broken);
    writer.push(chunkEvent(1));
    await assert.rejects(writer.flush(), error);
  });
});

const turn = { sessionId: "s", turnId: "t", fence: 3 };

function open(log: EventLog, { before = 0 } = {}) {
  const recorded: Event[] = [];
  const failures: unknown[] = [];
  const writer = createTurnWriter({
    log,
    ...turn,
    recorded: () => before + recorded.length,
    onRecorded: (events) => recorded.push(...events),
    onFailure: (error) => failures.push(error),
  });
  return { writer, recorded, failures };
}

function chunks(count: number, first = 1): NewEvent[] {
  return Array.from({ length: count }, (_, index) => chunkEvent(first + index));
}

function numbersOf(events: readonly NewEvent[]): number[] {
  return events.map((event) => (event.type === "chunk" ? event.number : 0));
}

function isIn(numbers: readonly number[]) {
  return (number: number) => numbers.includes(number);
}

async function turnOfPromises(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** A log that only appends; each append takes `slowness` turns of the promise queue. */
function createLog({ slowness = 0 } = {}) {
  const batches: EventBatch[] = [];
  let lastSequence = 0;
  let held: Promise<void> | undefined;
  let failure: Error | undefined;

  const log = {
    async append(batch: EventBatch): Promise<Appended> {
      for (let count = 0; count < slowness; count += 1) await Promise.resolve();
      await held;
      const error = failure;
      failure = undefined;
      if (error) throw error;
      batches.push(batch);
      const firstSequence = lastSequence + 1;
      lastSequence += batch.events.length;
      return { firstSequence, lastSequence };
    },
  } as EventLog;
  return {
    log,
    batches,
    /** Holds appends back until the returned function is called. */
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      return resolve;
    },
    failNext(): Error {
      failure = new Error("full");
      return failure;
    },
  };
}
