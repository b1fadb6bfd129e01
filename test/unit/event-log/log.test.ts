import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { storageUnavailable } from "../../../src/chat/errors.ts";
import { createEventLog, type RetainedEventLog } from "../../../src/event-log/log.ts";
import type { Redundant, Tick, TickStorage } from "../../../src/event-log/tick.ts";
import {
  assertFollows,
  batchOf,
  chunk,
  createFakeClock,
  labelOf,
  take,
  updateOf,
} from "../../contract/event-log-samples.ts";
import { keepEverything } from "../../contract/event-log-suite.ts";

/** A storage whose writes wait until the test decides how they end. */
function createHeldStorage() {
  const ticks: Tick[] = [];
  const removed: Redundant[] = [];
  const waiting: ((fails: boolean) => void)[] = [];
  const storage: TickStorage = {
    write: (take) =>
      new Promise((resolve, reject) => {
        const tick = take();
        waiting.push((fails) => {
          if (fails) {
            reject(storageUnavailable("full"));
          } else {
            if (tick !== undefined) ticks.push(tick);
            resolve();
          }
        });
      }),
    remove: async (redundant) => {
      removed.push(redundant);
    },
    archived: async () => [],
    note: async () => {},
    drop: async () => {},
  };
  return {
    storage,
    ticks,
    removed,
    get writes() {
      return waiting.length;
    },
    /** Ends the write that waits, if any. */
    settle: (fails = false) => waiting.shift()?.(fails),
  };
}

type Held = ReturnType<typeof createHeldStorage>;

function logOn({ storage }: Pick<Held, "storage">, options = {}): Promise<RetainedEventLog> {
  const saved = { ticks: noTicks(), heads: [], drops: [] };
  return createEventLog(storage, saved, {
    ...keepEverything,
    clock: createFakeClock(),
    ...options,
  });
}

async function* noTicks(): AsyncGenerator<never> {}

function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("one write is in flight at a time, and the next one gathers what came meanwhile", async (t) => {
  const held = createHeldStorage();
  const log = await logOn(held);
  t.after(() => log.close());
  const appends = [log.append(batchOf(1))];
  appends.push(log.append(batchOf(2)), log.append(batchOf(3)));
  await turnOfTheLoop();
  assert.equal(held.writes, 1);
  held.settle();
  await turnOfTheLoop();
  assert.equal(held.writes, 1);
  held.settle();
  await Promise.all(appends);
  assert.equal(held.ticks.length, 2);
});

test("readers see nothing before the write has succeeded", async (t) => {
  const held = createHeldStorage();
  const log = await logOn(held);
  t.after(() => log.close());
  let seen = 0;
  const reading = take(log, "s1", 0, 1).then((events) => {
    seen += events.length;
  });
  const appended = log.append(batchOf(1));
  for (let rounds = 0; rounds < 5; rounds += 1) await turnOfTheLoop();
  assert.equal(seen, 0);
  assert.equal(await log.lastSequence("s1"), 0);
  held.settle();
  await Promise.all([appended, reading]);
  assert.equal(seen, 1);
});

test("when a write fails, what its turns have appended since fails too, and other turns go on", async (t) => {
  const held = createHeldStorage();
  const log = await logOn(held);
  t.after(() => log.close());
  const first = log.append(batchOf(1));
  await turnOfTheLoop();
  const later = Promise.allSettled([
    first,
    log.append(batchOf(2)),
    log.append(batchOf(1, { sessionId: "s2", turnId: "other" })),
    log.append(updateOf("s1", "renamed")),
  ]);
  held.settle(true);
  await turnOfTheLoop();
  held.settle();
  assert.deepEqual(
    (await later).map(({ status }) => status),
    ["rejected", "rejected", "fulfilled", "fulfilled"],
  );
  const again = log.append(batchOf(1));
  await turnOfTheLoop();
  held.settle();
  assert.deepEqual(await again, { firstSequence: 2, lastSequence: 2 });
});

test("whatever writes fail, what is acknowledged is seen once, in order, without gaps", async () => {
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ session: fc.nat(1), events: fc.integer({ min: 1, max: 3 }) }),
    },
    { weight: 2, arbitrary: fc.record({ fails: fc.boolean() }) },
  );
  const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
    const held = createHeldStorage();
    const log = await logOn(held);
    const acknowledged = new Map<string, [number, string][]>();
    const appends: Promise<void>[] = [];
    for (const one of steps) {
      if ("fails" in one) {
        held.settle(one.fails);
        await turnOfTheLoop();
        continue;
      }
      const sessionId = `s${one.session}`;
      const names = Array.from(
        { length: one.events },
        (_item, index) => `${appends.length}.${index}`,
      );
      const note = ({ firstSequence }: { firstSequence: number }) => {
        const list = acknowledged.get(sessionId) ?? [];
        acknowledged.set(sessionId, list);
        list.push(...names.map((text, index): [number, string] => [firstSequence + index, text]));
      };
      appends.push(log.append(updateOf(sessionId, ...names)).then(note, () => {}));
    }
    while (held.writes > 0) {
      held.settle();
      await turnOfTheLoop();
    }
    await Promise.all(appends);
    for (const [sessionId, expected] of acknowledged) {
      const last = await log.lastSequence(sessionId);
      const events = await take(log, sessionId, 0, last);
      assertFollows(events, 1);
      assert.deepEqual(
        events.map((event) => [event.sequence, labelOf(event)]),
        expected,
      );
    }
    await log.close();
  });
  await fc.assert(property);
});

test("ticks that could not be removed are removed the next time", async (t) => {
  const held = createHeldStorage();
  let fails = true;
  const storage: TickStorage = {
    ...held.storage,
    remove: async (redundant) => {
      if (fails) throw storageUnavailable("full");
      await held.storage.remove(redundant);
    },
  };
  const clock = createFakeClock();
  const log = await logOn({ storage }, { clock, retentionMs: 1_000 });
  t.after(() => log.close());
  const appended = log.append(updateOf("s1", "renamed"));
  held.settle();
  await appended;
  const kept = await log.sessionEvents("s1", 0, 1);
  clock.advance(5_000);
  await assert.rejects(log.prune(), { reason: "STORAGE_UNAVAILABLE" });
  assert.deepEqual(await log.sessionEvents("s1", 0, 1), kept);
  fails = false;
  await log.prune();
  const heads = [{ sessionId: "s1", lastSequence: 1, fence: 0 }];
  const { events } = updateOf("s1", "renamed");
  const archived = [{ sessionId: "s1", sequence: 1, body: JSON.stringify(events[0]) }];
  assert.deepEqual(held.removed, [{ archived, tickIds: [1], heads }]);
});

test("nothing is removed by itself before retention has begun", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const held = createHeldStorage();
  const clock = createFakeClock();
  const log = await logOn(held, { clock, retentionMs: 1_000 });
  t.after(() => log.close());
  const appended = log.append(updateOf("s1", "renamed"));
  held.settle();
  await appended;
  clock.advance(5_000);
  t.mock.timers.tick(10_000);
  await turnOfTheLoop();
  assert.equal(await log.floor("s1"), 0);
  await log.startRetention();
  t.mock.timers.tick(1_000);
  await turnOfTheLoop();
  assert.equal(await log.floor("s1"), 1);
});

test("a turn that runs on does not hold on to what others wrote in its ticks", async (t) => {
  const held = createHeldStorage();
  const clock = createFakeClock();
  const log = await logOn(held, { clock, retentionMs: 1_000 });
  t.after(() => log.close());
  for (const batch of [1, 2, 3]) {
    const first = log.append(updateOf("s2", "before"));
    const appends = [
      first,
      log.append(updateOf("s2", "x".repeat(1_000))),
      log.append(batchOf(batch)),
    ];
    appends.push(log.append(updateOf("s3", "after")));
    for (let rounds = 0; rounds < 4; rounds += 1) {
      held.settle();
      await turnOfTheLoop();
    }
    await Promise.all(appends);
  }
  clock.advance(5_000);
  await log.prune();
  assert.equal(await log.lastSequence("s2"), 6);
  const events = await take(log, "s1", 0, 3);
  assert.deepEqual(events.map(labelOf), ["1", "2", "3"]);
  assert.deepEqual(await log.turnEvents("s1", "t1"), events);
  const repeated = log.append(batchOf(2));
  await turnOfTheLoop();
  held.settle();
  assert.deepEqual(await repeated, { firstSequence: 2, lastSequence: 2 });
});

test("an append with many events is read whole by readers that begin in its middle", async (t) => {
  const held = createHeldStorage();
  const log = await logOn(held);
  t.after(() => log.close());
  const events = ["a", "b", "c", "d"].map((text, index) => chunk(text, index + 1));
  for (const batch of [batchOf(1, { events }), batchOf(5, { events })]) {
    const appended = log.append(batch);
    held.settle();
    await appended;
  }
  for (let after = 0; after < 8; after += 1) {
    const seen = await take(log, "s1", after, 8 - after);
    assertFollows(seen, after + 1);
    assert.equal(seen.map(labelOf).join(""), "abcdabcd".slice(after));
  }
});
