import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { systemClock } from "../../../src/chat/clock.ts";
import { storageUnavailable } from "../../../src/chat/errors.ts";
import type { EventBatch, EventLog } from "../../../src/chat/event-log.ts";
import { createMemoryEventLog } from "../../../src/event-log/memory.ts";
import { measureStorage } from "../../../src/observability/storage-metrics.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";

const batch: EventBatch = {
  sessionId: "s1",
  turnId: "t1",
  fence: 1,
  batch: 1,
  events: ["a", "b"].map((text, i) => ({
    type: "chunk",
    text,
    number: i + 1,
    at: 0,
    elapsedMs: 0,
  })),
};

async function open(append?: EventLog["append"]) {
  const retention = { clock: systemClock, retentionMs: 60_000, retentionBytes: 2 ** 20 };
  const memory = await createMemoryEventLog(retention);
  const registry = new Registry();
  const own = { store: createMemoryStore(), log: { ...memory, ...(append && { append }) } };
  const { store, log } = measureStorage(registry, own, memory.readerLag);
  const sample = async (name: string, suffix = "") => {
    const { values } = (await registry.getSingleMetric(name)?.get()) ?? { values: [] };
    const found = values.find((one) => !("metricName" in one) || one.metricName === name + suffix);
    return found?.value;
  };
  return {
    store,
    log,
    sample,
    labels: async (name: string) =>
      (await registry.getSingleMetric(name)?.get())?.values.map((one) => one.labels),
  };
}

test("the log's lag is what is not written, and what the slowest reader has not taken", async (t) => {
  const { log, sample } = await open();
  t.after(() => log.close());
  const appended = log.append(batch);
  assert.equal(await sample("chatwire_log_unwritten_events"), 2);
  await appended;
  assert.equal(await sample("chatwire_log_unwritten_events"), 0);
  assert.equal(await sample("chatwire_log_append_seconds", "_count"), 1);

  const call = new AbortController();
  const fast = log.read("s1", 1, call.signal)[Symbol.asyncIterator]();
  const slow = log.read("s1", 0, call.signal)[Symbol.asyncIterator]();
  assert.equal(await sample("chatwire_log_reader_lag_events"), 0);
  await fast.next();
  await slow.next();
  assert.equal(await sample("chatwire_log_reader_lag_events"), 1);
  await log.append({ ...batch, batch: 3 });
  assert.equal(await sample("chatwire_log_reader_lag_events"), 3);
  call.abort();
  assert.equal(await sample("chatwire_log_reader_lag_events"), 0);
});

test("operations of the store are timed, and what the storage refuses is counted", async (t) => {
  const failure = storageUnavailable(new Error("disk full"));
  const { store, log, sample, labels } = await open(() => Promise.reject(failure));
  t.after(() => log.close());
  await store.countSessions("alice");
  await assert.rejects(
    store.listMessages("alice", "none", {
      pageSize: 1,
      pageToken: "",
      newestFirst: false,
      includeReplaced: false,
    }),
  );
  const operations = new Set(
    (await labels("chatwire_store_operation_seconds"))?.map(({ operation }) => operation),
  );
  assert.deepEqual([...operations], ["countSessions", "listMessages"]);
  // A session that is not there is no failure of the storage.
  assert.equal(await sample("chatwire_storage_failures_total"), undefined);
  await assert.rejects(log.append(batch), failure);
  assert.equal(await sample("chatwire_storage_failures_total"), 1);
  assert.equal(await sample("chatwire_log_unwritten_events"), 0);
});
