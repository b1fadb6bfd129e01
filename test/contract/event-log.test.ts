import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { EventLogOptions } from "../../src/event-log/log.ts";
import { createMemoryEventLog } from "../../src/event-log/memory.ts";
import { createSqliteEventLog } from "../../src/event-log/sqlite.ts";
import { startChild } from "../unit/sqlite/child.ts";
import { openProbe, temporaryFolder } from "../unit/sqlite/probe.ts";
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
  waitingBatchOf,
} from "./event-log-samples.ts";
import { eventLogSuite, keepEverything } from "./event-log-suite.ts";

const storageUnavailable = { kind: "unavailable", reason: "STORAGE_UNAVAILABLE" };

function optionsWith(options: Partial<EventLogOptions>): EventLogOptions {
  return { ...keepEverything, clock: createFakeClock(), ...options };
}

eventLogSuite("memory", async (t, options = {}) => {
  const log = await createMemoryEventLog(optionsWith(options));
  t.after(() => log.close());
  return log;
});

async function open(t: TestContext, file: string, options: Partial<EventLogOptions> = {}) {
  const { database, probe } = await openProbe(t, file);
  const log = await createSqliteEventLog(database, optionsWith(options));
  async function close(): Promise<void> {
    await log.close();
    await database.close();
  }
  t.after(close);
  return { log, probe, close };
}

async function newFile(t: TestContext): Promise<string> {
  return join(await temporaryFolder(t), "a.db");
}

eventLogSuite("sqlite", async (t, options) => {
  return (await open(t as TestContext, await newFile(t as TestContext), options)).log;
});

test("event log sqlite: everything is there when the file is opened again", async (t) => {
  const file = await newFile(t);
  const first = await open(t, file);
  const events = [chunk("tab\t \u0000 \u2028 😀 \ud83d")];
  await first.log.append(batchOf(1, { events }));
  await first.log.append(updateOf("s2", "renamed"));
  const before = await take(first.log, "s1", 0, 1);
  await first.close();
  const { log } = await open(t, file);
  assert.deepEqual(await take(log, "s1", 0, 1), before);
  assert.deepEqual(await log.turnEvents("s1", "t1"), before);
  assert.equal(await log.lastSequence("s2"), 1);
  assert.deepEqual(await log.append(batchOf(1, { events })), { firstSequence: 1, lastSequence: 1 });
  assert.deepEqual(await log.append(batchOf(2, { events: [end] })), {
    firstSequence: 2,
    lastSequence: 2,
  });
});

test("event log sqlite: fences hold across a restart, also when nothing else is left", async (t) => {
  const file = await newFile(t);
  const clock = createFakeClock();
  const options = { retentionMs: 1_000, clock };
  const first = await open(t, file, options);
  await appendTurn(first.log, "t1", 7);
  await first.close();
  const second = await open(t, file, options);
  await second.log.startRetention();
  await assert.rejects(second.log.append(batchOf(1, { fence: 6 })), { reason: "STALE_FENCE" });
  await second.log.append(updateOf("s1", "renamed"));
  clock.advance(5_000);
  await second.log.prune();
  await second.close();
  const third = await open(t, file, options);
  assert.equal(await third.log.lastSequence("s1"), 3);
  await assert.rejects(take(third.log, "s1", 2, 1), { reason: "EVENTS_EXPIRED" });
  await assert.rejects(third.log.append(batchOf(1, { fence: 6 })), { reason: "STALE_FENCE" });
  assert.equal((await appendTurn(third.log, "t2", 8)).firstSequence, 4);
});

test("event log sqlite: what was there at the start is kept until retention begins", async (t) => {
  const file = await newFile(t);
  const clock = createFakeClock();
  const options = { retentionMs: 1_000, clock };
  const first = await open(t, file, options);
  await first.log.append(batchOf(1, { events: [chunk("a"), end] }));
  await first.log.append({ ...batchOf(1, { events: [end] }), sessionId: "s2", fence: 0 });
  await first.log.append(batchOf(1, { sessionId: "s3" }));
  await first.close();
  clock.advance(5_000);
  const { log } = await open(t, file, options);
  const floors = () => Promise.all(["s1", "s2", "s3"].map((sessionId) => log.floor(sessionId)));
  await log.prune();
  assert.deepEqual(await floors(), [0, 0, 0]);
  await log.startRetention();
  await log.prune();
  // Of the third there is no end that the store could have.
  assert.deepEqual(await floors(), [2, 1, 0]);
});

test("event log sqlite: ticks that one turn holds do not bring back what others had pruned", async (t) => {
  const file = await newFile(t);
  const clock = createFakeClock();
  const options = { retentionMs: 1_000, clock };
  const first = await open(t, file, options);
  // The first tick is held by a turn without an end, the second is not.
  await Promise.all([
    first.log.append(batchOf(1, { sessionId: "held" })),
    first.log.append(updateOf("s1", "one")),
  ]);
  await first.log.append(updateOf("s1", "two"));
  clock.advance(5_000);
  await first.log.append(updateOf("s1", "three"));
  await first.log.prune();
  await first.close();
  const second = await open(t, file, options);
  assert.deepEqual((await take(second.log, "s1", 2, 1)).map(labelOf), ["three"]);
  await assert.rejects(take(second.log, "s1", 0, 1), { reason: "EVENTS_EXPIRED" });
  assert.equal((await second.log.turnEvents("held", "t1")).length, 1);
  clock.advance(5_000);
  await second.log.prune();
  await second.close();
  const third = await open(t, file, options);
  assert.equal(await third.log.lastSequence("s1"), 3);
  assert.equal((await third.log.turnEvents("held", "t1")).length, 1);
});

test("event log sqlite: what retention removes leaves the file", async (t) => {
  const file = await newFile(t);
  const clock = createFakeClock();
  const { log, probe } = await open(t, file, { retentionMs: 1_000, clock });
  await log.append(batchOf(1));
  for (let turn = 1; turn <= 300; turn += 1) await log.append(updateOf("s2", "renamed"));
  await log.drop("s2");
  await log.append(updateOf("s3", "renamed"));
  assert.deepEqual(await probe("rowCounts", undefined), { ticks: 302, heads: 0, drops: 1 });
  clock.advance(5_000);
  await log.prune();
  assert.deepEqual(await probe("rowCounts", undefined), { ticks: 1, heads: 1, drops: 1 });
  await log.append(batchOf(2, { events: [end] }));
  await log.release("s1", "t1");
  clock.advance(5_000);
  await log.prune();
  assert.deepEqual(await probe("rowCounts", undefined), { ticks: 0, heads: 2, drops: 0 });
});

test("event log sqlite: a dropped session does not come back", async (t) => {
  const file = await newFile(t);
  const first = await open(t, file);
  await Promise.all([first.log.append(batchOf(1)), first.log.append(updateOf("s2", "kept"))]);
  await first.log.drop("s1");
  await first.close();
  const { log } = await open(t, file);
  assert.equal(await log.lastSequence("s1"), 0);
  assert.deepEqual(await log.turnEvents("s1", "t1"), []);
  assert.deepEqual((await take(log, "s2", 0, 1)).map(labelOf), ["kept"]);
});

test("event log sqlite: a failed write gives no sequence, and harms nothing", async (t) => {
  const file = await newFile(t);
  const { log, probe, close } = await open(t, file);
  await log.append(batchOf(1));
  const reading = take(log, "s1", 0, 2);
  await probe("limitPages", { pagesMax: 1 });
  const large = batchOf(2, { events: [chunk("x".repeat(100_000))] });
  await assert.rejects(log.append(large), storageUnavailable);
  assert.equal(await log.lastSequence("s1"), 1);
  assert.equal((await take(log, "s1", 0, 1)).length, 1);
  await assert.rejects(log.append(large), storageUnavailable);
  await probe("limitPages", { pagesMax: 0 });
  assert.deepEqual(await log.append(large), { firstSequence: 2, lastSequence: 2 });
  const seen = await reading;
  assertFollows(seen, 1);
  await close();
  const again = await open(t, file);
  assert.deepEqual(await take(again.log, "s1", 0, 2), seen);
});

test("event log sqlite: pruning makes room on a full disk", async (t) => {
  const clock = createFakeClock();
  const { log, probe } = await open(t, await newFile(t), { retentionMs: 1_000, clock });
  const large = [chunk("x".repeat(100_000)), end];
  await log.append(batchOf(1, { events: large }));
  await log.release("s1", "t1");
  await probe("limitPages", { pagesMax: 1 });
  const next = batchOf(1, { turnId: "t2", fence: 2, events: large });
  await assert.rejects(log.append(next), storageUnavailable);
  clock.advance(5_000);
  await log.prune();
  assert.equal((await log.append(next)).firstSequence, 3);
});

test("event log sqlite: appends to a database that is gone are refused", async (t) => {
  const { log, probe } = await open(t, await newFile(t));
  await assert.rejects(probe("exit", undefined));
  await assert.rejects(log.append(batchOf(1)), storageUnavailable);
  await assert.rejects(log.drop("s1"), storageUnavailable);
});

test("event log sqlite: after kill -9 all that was acknowledged is there, and sequences go on", async (t) => {
  const file = await newFile(t);
  const acknowledged = new Map<string, number>();
  for (let round = 1; round <= 3; round += 1) {
    const child = startChild(t, new URL("./append-events.ts", import.meta.url), file);
    for (let line = 0; line < 100 * round; line += 1) {
      const [sessionId = "", sequence] = ((await child.nextLine()) ?? "").split(" ");
      assert.ok(Number(sequence) > (acknowledged.get(sessionId) ?? 0));
      acknowledged.set(sessionId, Number(sequence));
    }
    await child.kill();
    const { log, close } = await open(t, file);
    assert.equal(acknowledged.size, 3);
    for (const [sessionId, sequence] of acknowledged) {
      const last = await log.lastSequence(sessionId);
      assert.ok(last >= sequence, `${sessionId}: ${last} of ${sequence}`);
      const events = await take(log, sessionId, 0, last);
      assertFollows(events, 1);
      const appended = await log.append(updateOf(sessionId, "one", "two"));
      assert.equal(appended.firstSequence, last + 1);
      acknowledged.set(sessionId, appended.lastSequence);
    }
    await close();
  }
});

test("event log sqlite: session events outlive their ticks, restarts, and not their session", async (t) => {
  const file = await newFile(t);
  const clock = createFakeClock();
  const options = { retentionMs: 1_000, clock };
  const first = await open(t, file, options);
  const names = Array.from({ length: 200 }, (_item, index) => `name ${index}`);
  for (const name of names) await first.log.append(updateOf("s1", name));
  await first.log.append(updateOf("s2", "other"));
  const told = await first.log.sessionEvents("s1", 0, 200);
  assert.deepEqual(told.map(labelOf), names);
  clock.advance(5_000);
  await first.log.prune();
  assert.deepEqual(await first.probe("rowCounts", undefined), { ticks: 0, heads: 2, drops: 0 });
  assert.deepEqual(await first.log.sessionEvents("s1", 0, 200), told);
  await first.close();
  const second = await open(t, file, options);
  assert.deepEqual(await second.log.sessionEvents("s1", 0, 200), told);
  assert.deepEqual(await second.log.sessionEvents("s1", 10, 12), told.slice(10, 12));
  await second.log.drop("s1");
  assert.deepEqual(await second.log.sessionEvents("s1", 0, 200), []);
  assert.equal((await second.log.sessionEvents("s2", 0, 1)).length, 1);
});

test("event log sqlite: a turn that waits is kept over a restart, and so are fences", async (t) => {
  const file = await newFile(t);
  const clock = createFakeClock();
  const options = { retentionMs: 1_000, clock };
  const first = await open(t, file, options);
  await appendTurn(first.log, "t1", 7);
  await first.log.append(waitingBatchOf("t2"));
  clock.advance(5_000);
  await first.log.prune();
  assert.equal(await first.log.floor("s1"), 2);
  await first.close();
  const second = await open(t, file, options);
  clock.advance(5_000);
  await second.log.prune();
  assert.equal(await second.log.floor("s1"), 2);
  assert.equal((await second.log.turnEvents("s1", "t2")).length, 1);
  const repeated = await second.log.append(waitingBatchOf("t2"));
  assert.deepEqual(repeated, { firstSequence: 3, lastSequence: 3 });
  await assert.rejects(second.log.append(batchOf(1, { fence: 6 })), { reason: "STALE_FENCE" });
  await second.log.append({ ...batchOf(2), turnId: "t2", fence: 8, events: [end] });
  await second.log.release("s1", "t2");
  clock.advance(5_000);
  await second.log.prune();
  assert.equal(await second.log.floor("s1"), 4);
});

test("event log sqlite: a gap that was skipped stays skipped", async (t) => {
  const file = await newFile(t);
  const first = await open(t, file);
  await first.log.append(batchOf(1, { fence: 5 }));
  await first.log.skipTo("s1", 20);
  await first.close();
  const second = await open(t, file);
  assert.equal(await second.log.lastSequence("s1"), 20);
  assert.equal(await second.log.floor("s1"), 20);
  await assert.rejects(second.log.append(batchOf(2, { fence: 4 })), { reason: "STALE_FENCE" });
  assert.equal((await second.log.append(updateOf("s1", "next"))).firstSequence, 21);
  await second.close();
  const third = await open(t, file);
  assert.deepEqual((await take(third.log, "s1", 20, 1)).map(labelOf), ["next"]);
  await assert.rejects(take(third.log, "s1", 19, 1), { reason: "EVENTS_EXPIRED" });
});
