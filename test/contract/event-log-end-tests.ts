import assert from "node:assert/strict";
import { test } from "node:test";
import { batchOf, take, updateOf } from "./event-log-samples.ts";
import type { CreateEventLog } from "./event-log-suite.ts";

export function endTests(create: CreateEventLog): void {
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
