import { ChatError } from "../../../src/chat/errors.ts";
import type { Connection } from "../../../src/sqlite/connection.ts";
import type { Migration, OperationTable } from "../../../src/sqlite/module.ts";

/** A module for tests of the worker itself: notes to write, faults to cause, settings to look at. */
export const moduleName = "probe";

export const migrations: readonly Migration[] = [
  {
    version: 1,
    name: "0001-notes",
    sql: "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT",
  },
];

export const operations = {
  write(connection: Connection, { text }: { text: string }): void {
    connection.run("INSERT INTO notes (text) VALUES (:text)", { text });
  },
  /** Writes, then fails, so that what it wrote has to be undone. */
  writeAndThrow(connection: Connection, { text }: { text: string }): void {
    connection.run("INSERT INTO notes (text) VALUES (:text)", { text });
    throw new ChatError("resource_exhausted", "TOO_MANY_TURNS", "too many", {
      retryable: true,
      retryAfterMs: 7,
      fields: [{ field: "text", description: "no" }],
      metadata: { limit: "1" },
      cause: new Error("why"),
    });
  },
  texts: (connection: Connection): string[] =>
    connection.all<{ text: string }>("SELECT text FROM notes ORDER BY id").map(({ text }) => text),
  /** Which transaction and which level of syncing the operation runs in. */
  synchronous: (connection: Connection): number | undefined =>
    connection.get<{ synchronous: number }>("PRAGMA synchronous")?.synchronous,
  walPages: (connection: Connection): number | undefined =>
    connection.get<{ log: number }>("PRAGMA wal_checkpoint(NOOP)")?.log,
  /** Fills the disk, as far as SQLite can tell; 0 empties it again. */
  limitPages(connection: Connection, { pagesMax }: { pagesMax: number }): void {
    connection.get(`PRAGMA max_page_count = ${pagesMax === 0 ? 4_294_967_294 : pagesMax}`);
  },
  /** Refuses what writes, as a file that may not be written does. */
  setReadOnly(connection: Connection, { isReadOnly }: { isReadOnly: boolean }): void {
    connection.get(`PRAGMA query_only = ${isReadOnly ? "ON" : "OFF"}`);
  },
  rowCounts: (connection: Connection): Record<string, number> | undefined =>
    connection.get(
      `SELECT (SELECT count(*) FROM event_ticks) AS ticks, (SELECT count(*) FROM event_heads) AS heads,
         (SELECT count(*) FROM event_drops) AS drops`,
    ),
  exit: (): void => {
    process.exit(1);
  },
  /** Keeps the writing thread, until another thread says that it may go on. */
  waitUntilReleased: (_connection: Connection, { gate }: { gate: Gate }): void => waitAt(gate),
} satisfies OperationTable;

export const reads = {
  /** Reads the notes as they were before it waits, until another thread says that it may end. */
  textsOnceReleased(connection: Connection, { gate }: { gate: Gate }): string[] {
    const texts = operations.texts(connection);
    waitAt(gate);
    return texts;
  },
  texts: operations.texts,
  write: operations.write,
  exit: operations.exit,
} satisfies OperationTable;

export type ProbeOperations = typeof operations;

export type ProbeReads = typeof reads;

/** Where a thread waits: 1 when it has come, 2 when it may go on. */
export type Gate = Int32Array<SharedArrayBuffer>;

export function createGate(): Gate {
  return new Int32Array(new SharedArrayBuffer(4));
}

/** Resolves when a thread waits at the gate. */
export async function reached(gate: Gate): Promise<void> {
  const { value } = Atomics.waitAsync(gate, 0, 0);
  await value;
}

export function release(gate: Gate): void {
  Atomics.store(gate, 0, 2);
  Atomics.notify(gate, 0);
}

function waitAt(gate: Gate): void {
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
  Atomics.wait(gate, 0, 1);
}
