import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { ChatError } from "../chat/errors.ts";
import type { EventLog } from "../chat/event-log.ts";
import type { Store } from "../chat/store.ts";

/** Storage as the engine sees it, each operation timed. */
export type MeasuredStorage = { store: Store; log: EventLog };

/** From a read of what is in memory to a disk that stalls, seconds. */
const buckets = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

/**
 * Times what the store and the event log are asked for, from the call to its answer: the time in the database's
 * queue is part of it. `readerLag` says how many events the slowest open reader has still to take.
 */
export function measureStorage(
  registry: Registry,
  { store, log }: MeasuredStorage,
  readerLag: () => number,
): MeasuredStorage {
  const registers = [registry];
  const failures = new Counter({
    name: "chatwire_storage_failures_total",
    help: "Operations of the store, and appends to the event log, that the storage refused.",
    labelNames: ["operation"],
    registers,
  });
  const onFailure = (operation: string, error: unknown) => {
    const isRefused = error instanceof ChatError && error.reason === "STORAGE_UNAVAILABLE";
    if (isRefused) failures.inc({ operation });
  };
  new Gauge({
    name: "chatwire_log_reader_lag_events",
    help: "Events that the slowest open reader has still to take, though they are recorded.",
    registers,
    collect() {
      this.set(readerLag());
    },
  });
  return {
    store: measureStore(registry, store, onFailure),
    log: measureLog(registry, log, onFailure),
  };
}

type OnFailure = (operation: string, error: unknown) => void;

function measureStore(registry: Registry, store: Store, onFailure: OnFailure): Store {
  const duration = new Histogram({
    name: "chatwire_store_operation_seconds",
    help: "From a call of the store to its answer, by the method of the port (src/chat/store.ts).",
    labelNames: ["operation"],
    buckets,
    registers: [registry],
  });
  const methods: [string, (...args: never[]) => Promise<unknown>][] = Object.entries(store);
  const measured = methods.map(([operation, method]) => {
    const timer = duration.labels(operation);
    const call = (...args: never[]) =>
      timed(Reflect.apply(method, store, args), timer, (error) => onFailure(operation, error));
    return [operation, call];
  });
  return Object.fromEntries(measured);
}

function measureLog(registry: Registry, log: EventLog, onFailure: OnFailure): EventLog {
  const registers = [registry];
  let unwritten = 0;
  const duration = new Histogram({
    name: "chatwire_log_append_seconds",
    help: "From an append to the event log until its events are recorded and readers see them.",
    buckets,
    registers,
  });
  new Gauge({
    name: "chatwire_log_unwritten_events",
    help: "Events that were appended to the event log and are not recorded yet.",
    registers,
    collect() {
      this.set(unwritten);
    },
  });
  return {
    ...log,
    async append(batch) {
      const { length } = batch.events;
      unwritten += length;
      try {
        return await timed(log.append(batch), duration, (error) => onFailure("append", error));
      } finally {
        unwritten -= length;
      }
    },
  };
}

/** The promise, whose time until it settles is observed. */
async function timed<T>(
  promise: Promise<T>,
  timer: { observe(seconds: number): void },
  onError: (error: unknown) => void,
): Promise<T> {
  const startedMs = performance.now();
  try {
    return await promise;
  } catch (error) {
    onError(error);
    throw error;
  } finally {
    timer.observe((performance.now() - startedMs) / 1_000);
  }
}
