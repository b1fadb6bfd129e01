import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { NewEvent } from "../../../src/chat/event.ts";
import type { Appended, EventBatch, EventLog } from "../../../src/chat/event-log.ts";
import { createTurnWriter } from "../../../src/chat/turn-writer.ts";
import { chunkEvent } from "../../support/events.ts";

describe("the turn writer", () => {
  it("records what is pushed in one go in one append", async () => {
    const { log, batches } = createLog();
    const writer = open(log);
    for (const event of chunks(3)) writer.push(event);
    await writer.flush();
    assert.deepEqual(batches, [{ ...turn, batch: 1, events: chunks(3) }]);
  });

  it("gathers what is pushed during an append for the next, numbered by what came before", async () => {
    const { log, batches, hold } = createLog();
    const writer = open(log);
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
    assert.equal(writer.recorded(), 4);
  });

  it("loses nothing and keeps the order, whenever the events are pushed", async () => {
    // How many turns of the promise queue pass before each push, and before each append is done.
    const waits = fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(waits, fc.nat({ max: 6 }), async (pauses, slowness) => {
        const { log, batches } = createLog({ slowness });
        const writer = open(log);
        for (const [index, pause] of pauses.entries()) {
          for (let count = 0; count < pause; count += 1) await Promise.resolve();
          writer.push(chunkEvent(index + 1));
        }
        await writer.flush();
        assert.deepEqual(
          batches.flatMap(({ events }) => events),
          chunks(pauses.length),
        );
        assert.equal(writer.recorded(), pauses.length);
      }),
      { numRuns: 500 },
    );
  });

  it("tells each batch once it is recorded, and not before", async () => {
    const { log, hold } = createLog();
    const told: NewEvent[] = [];
    const writer = open(log, { onRecorded: (events) => told.push(...events) });
    const release = hold();
    writer.push(chunkEvent(1));
    await turnOfPromises();
    assert.deepEqual(told, []);
    release();
    await writer.flush();
    assert.deepEqual(told, chunks(1));
  });

  it("appends the last event behind all others and gives it its sequence", async () => {
    const { log, batches } = createLog();
    const writer = open(log);
    writer.push(chunkEvent(1));
    const last = await writer.append(chunkEvent(2));
    assert.deepEqual(last, { ...chunkEvent(2), sequence: 2, turnId: turn.turnId });
    assert.deepEqual(
      batches.map(({ batch }) => batch),
      [1, 2],
    );
  });

  it("counts on from what the log has already", async () => {
    const { log, batches } = createLog();
    await open(log, { recorded: 7 }).append(chunkEvent(8));
    assert.equal(batches[0]?.batch, 8);
  });

  it("drops what is pushed once an append has failed, and tells of it once", async () => {
    const { log, batches, failNext } = createLog();
    const errors: unknown[] = [];
    const writer = open(log, { onFailure: (error) => errors.push(error) });
    const error = failNext();
    writer.push(chunkEvent(1));
    await assert.rejects(writer.flush(), error);
    writer.push(chunkEvent(2));
    await assert.rejects(writer.flush(), error);
    assert.deepEqual([errors, batches, writer.recorded()], [[error], [], 0]);
  });

  it("appends the last event after a failure, and again until it is taken", async () => {
    const { log, batches, failNext } = createLog();
    const writer = open(log, { onFailure: () => {} });
    writer.push(chunkEvent(1));
    await writer.flush();
    failNext();
    writer.push(chunkEvent(2));
    await assert.rejects(writer.flush());
    const error = failNext();
    await assert.rejects(writer.append(chunkEvent(3)), error);
    const last = await writer.append(chunkEvent(3));
    assert.equal(last.sequence, 2);
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
    const writer = open(broken);
    writer.push(chunkEvent(1));
    await assert.rejects(writer.flush(), error);
  });
});

const turn = { sessionId: "s", turnId: "t", fence: 3 };

function open(log: EventLog, options: Partial<Parameters<typeof createTurnWriter>[0]> = {}) {
  return createTurnWriter({ log, ...turn, ...options });
}

function chunks(count: number): NewEvent[] {
  return Array.from({ length: count }, (_, index) => chunkEvent(index + 1));
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
  const unused = () => assert.fail("the writer only appends");

  const log: EventLog = {
    async append(batch): Promise<Appended> {
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
    read: unused,
    turnEvents: unused,
    lastSequence: unused,
    drop: unused,
    close: unused,
  };
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
