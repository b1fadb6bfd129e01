// The real server with an IPC channel: each message asks it for what it holds. Started by soak.ts with
// --expose-gc: node server.ts <database>
import { DatabaseSync } from "node:sqlite";
import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import { buildApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config.ts";
import type { Holdings } from "./holdings.ts";

const [database = ""] = process.argv.slice(2);
const env = {
  DATABASE_URL: `sqlite:${database}`,
  PORT: "0",
  SCRIPTED_MODEL: "1",
  LOG_LEVEL: "error",
  DEFAULT_MODEL: "scripted:20x5",
  // Everything that time does in the background comes round many times.
  EVENT_RETENTION_MS: "500",
  HEARTBEAT_MS: "200",
  DISCONNECT_GRACE_MS: "300",
  IDLE_CHUNK_TIMEOUT_MS: "1000",
  DRAIN_TIMEOUT_MS: "0",
};
const app = await buildApp(loadConfig({ env }));
const { port } = await app.listen();
let warnings = 0;
process.on("warning", () => {
  warnings += 1;
});
const reader = new DatabaseSync(database, { readOnly: true });

process.on("message", (message) => {
  if (message === "close") void close();
  else void measure().then((holdings) => process.send?.(holdings));
});
process.send?.({ port });

async function close(): Promise<void> {
  reader.close();
  await app.close();
  process.disconnect?.();
}

async function measure(): Promise<Holdings> {
  const { gc } = globalThis;
  if (!gc) throw new Error("started without --expose-gc");
  // What is weakly held or finalized goes in several steps.
  for (let times = 0; times < 4; times += 1) {
    gc();
    await turnOfTheLoop();
  }
  const { refusedTotal: _, ...connections } = app.connections();
  return {
    heapBytes: process.memoryUsage().heapUsed,
    counts: {
      ...connections,
      ...handles(),
      listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
      warnings,
      liveSessions: app.engine.liveSessions(),
      runningTurns: app.engine.runningTurns(),
      ...rows(),
    },
  };
}

/** What keeps the event loop alive, by kind. */
function handles(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) {
    // A timer comes and goes; a leaked one shows in the heap, and in what it holds.
    if (kind !== "Timeout" && kind !== "Immediate") counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/**
 * Rows by table. A deleted session's row stays for as long as its request keys, 24 h, and with it its place in
 * the search index, which itself keeps empty segments.
 */
function rows(): Record<string, number> {
  const names = reader
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all()
    .map(({ name }) => String(name))
    .filter((name) => !/^search(_data|_idx|_config|_principals)?$/.test(name));
  const counts = names.map((name): [string, number] => [
    `rows of ${name}`,
    count(`SELECT count(*) AS count FROM ${name} ${leftovers[name] ?? ""}`),
  ]);
  return Object.fromEntries(counts);
}

const orphaned = "WHERE session_id NOT IN (SELECT session_id FROM sessions)";
const leftovers: Record<string, string> = {
  sessions: "WHERE deleted_at IS NULL OR emptied = 0 OR events_dropped = 0",
  search_sessions: orphaned,
  request_keys: orphaned,
};

function count(sql: string): number {
  return Number(reader.prepare(sql).get()?.count);
}
