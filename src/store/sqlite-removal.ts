import type { Connection } from "../sqlite/connection.ts";
import { keyLifetimeMs } from "./request-key.ts";
import { removeRow } from "./sqlite-search-index.ts";

/** Rows of one table that are removed at a time: a fraction of a millisecond. */
const rowsMax = 16;

/** Removes some of what deleted sessions held, until `isOver` says so. False when nothing is left. */
export function removeSome(connection: Connection, isOver: () => boolean): boolean {
  for (;;) {
    const session = connection.get<{ id: string }>(
      "SELECT session_id AS id FROM sessions WHERE deleted_at IS NOT NULL AND emptied = 0 LIMIT 1",
    );
    if (session === undefined) return false;
    if (!removeContent(connection, session.id)) {
      connection.run("UPDATE sessions SET emptied = 1 WHERE session_id = :id", session);
    }
    if (isOver()) return true;
  }
}

/** Removes some of a session's rows. False when it has none left. */
function removeContent(connection: Connection, sessionId: string): boolean {
  const rows = connection.all<{ messageId: string; row: number }>(
    `SELECT message_id AS messageId, row_number AS row FROM search_rows
     WHERE session_id = :sessionId LIMIT :count`,
    { sessionId, count: rowsMax },
  );
  for (const { messageId, row } of rows) removeRow(connection, { sessionId, messageId, row });
  if (rows.length > 0) return true;
  return content.some((table) => removeFrom(connection, table, sessionId));
}

const content = ["messages", "turns", "turn_spans"] as const;

/** What names a row of each table: it leads to the rows without a look at the others of the session. */
const keys = {
  messages: "rowid",
  turns: "rowid",
  turn_spans: "(session_id, last_sequence)",
  request_keys: "(principal, request_id)",
} as const;

function removeFrom(connection: Connection, table: keyof typeof keys, sessionId: string): boolean {
  const key = keys[table];
  const columns = key.replaceAll(/[()]/g, "");
  const removed = connection.run(
    `DELETE FROM ${table} WHERE ${key} IN (
       SELECT ${columns} FROM ${table} WHERE session_id = :sessionId LIMIT :count
     )`,
    { sessionId, count: rowsMax },
  );
  return removed > 0;
}

/**
 * Forgets some of the sessions that were deleted long enough ago, with the keys that led to them, until
 * `isOver` says so. False when nothing is left to forget at that time.
 */
export function forgetSome(connection: Connection, now: number, isOver: () => boolean): boolean {
  for (;;) {
    const session = connection.get<{ id: string }>(
      `SELECT session_id AS id FROM sessions
       WHERE emptied = 1 AND events_dropped = 1 AND deleted_at <= :before ORDER BY deleted_at LIMIT 1`,
      { before: now - keyLifetimeMs },
    );
    if (session === undefined) return false;
    const { id: sessionId } = session;
    if (!removeFrom(connection, "request_keys", sessionId)) {
      connection.run("DELETE FROM search_sessions WHERE session_id = :sessionId", { sessionId });
      connection.run("DELETE FROM sessions WHERE session_id = :sessionId", { sessionId });
    }
    if (isOver()) return true;
  }
}
