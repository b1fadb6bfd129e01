import type { DatabaseSync } from "node:sqlite";

/** How much a database holds. */
export type StoredCounts = { sessions: number; messages: number };

/** Counts sessions that are not deleted, and their messages, in a database of any release. */
export function countStored(database: DatabaseSync): StoredCounts {
  const columns = database.prepare("SELECT name FROM pragma_table_info('sessions')").all();
  const isThere = columns.some(({ name }) => name === "deleted_at") ? "deleted_at IS NULL" : "true";
  const row = database
    .prepare(
      `SELECT (SELECT count(*) FROM sessions WHERE ${isThere}) AS sessions,
         (SELECT count(*) FROM messages JOIN sessions USING (session_id) WHERE ${isThere}) AS messages`,
    )
    .get() as StoredCounts;
  return { sessions: row.sessions, messages: row.messages };
}

/**
 * Begins a new epoch in every session of a restored database, so that no client goes on from a sequence of the
 * history that is no more (DESIGN section 2, rule 3). The time of the restore makes it another one than any
 * earlier restore of the same backup gave; `replaced`, the database that goes, may know higher ones where the
 * clock went back.
 */
export function beginEpochs(
  restored: DatabaseSync,
  replaced: DatabaseSync | undefined,
  now: number,
): void {
  const atLeast = Math.max(Math.floor(now / 1_000), highestEpoch(replaced) + 1);
  restored.prepare("UPDATE sessions SET epoch = max(epoch + 1, ?)").run(atLeast);
}

function highestEpoch(database: DatabaseSync | undefined): number {
  try {
    const row = database?.prepare("SELECT max(epoch) AS epoch FROM sessions").get();
    return Number(row?.epoch ?? 0);
  } catch {
    // Another program's, or damaged: it is replaced for a reason.
    return 0;
  }
}

/** When a session last changed, milliseconds since 1970 UTC; 0 where there is none. */
export function newestChange(database: DatabaseSync): number {
  return Number(database.prepare("SELECT max(updated_at) AS at FROM sessions").get()?.at ?? 0);
}
