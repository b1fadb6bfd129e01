import { textOf } from "../chat/message.ts";
import type { Connection } from "../sqlite/connection.ts";
import { wordsOf } from "./search-words.ts";

/** Of a text, indexed at a time: UTF-16 units, a fraction of a millisecond. */
const pieceUnitsMax = 8_192;
/** Jobs that are looked at together. */
const jobsMax = 32;
/** Pages of the index that are merged at a time: a fraction of a millisecond. */
const mergePages = 8;

/** What the numbers of a rowid can hold, see sqlite-search.ts; what is past it is not found. */
const numbersMax = { principals: 2 ** 20, sessions: 2 ** 22, rows: 2 ** 21 };

type Job = { id: number; sessionId: string; messageId: string; unitsDone: number };

/** Does some of what waits to be indexed, until `isOver` says so. False when nothing is left. */
export function indexSome(connection: Connection, isOver: () => boolean): boolean {
  while (mergeSome(connection)) if (isOver()) return true;
  const jobs = connection.all<Job>(
    `SELECT id, session_id AS sessionId, message_id AS messageId, units_done AS unitsDone
     FROM search_jobs ORDER BY id LIMIT :count`,
    { count: jobsMax },
  );
  for (const job of jobs) {
    if (!indexText(connection, job, isOver)) return true;
    connection.run("DELETE FROM search_jobs WHERE id = :id", { id: job.id });
    if (isOver()) return true;
  }
  return jobs.length > 0;
}

/**
 * Merges some of what the index's writes have left side by side; false where nothing is to be merged. It
 * says by the count of changes, sqlite.org/fts5.html#the_merge_command.
 */
function mergeSome(connection: Connection): boolean {
  const before = countChanges(connection);
  connection.run("INSERT INTO search (search, rank) VALUES ('merge', :pages)", {
    pages: mergePages,
  });
  return countChanges(connection) - before >= 2;
}

function countChanges(connection: Connection): number {
  return connection.get<{ count: number }>("SELECT total_changes() AS count")?.count ?? 0;
}

/** Indexes a message or title anew. False where there is more of it. */
function indexText(connection: Connection, job: Job, isOver: () => boolean): boolean {
  if (job.unitsDone === 0) removeRows(connection, job);
  const text = textOfJob(connection, job);
  let from = job.unitsDone;
  while (from < text.length) {
    const to = endOfPiece(text, from);
    addRow(connection, job, wordsOf(text.slice(from, to)));
    from = to;
    if (from < text.length && isOver()) {
      const values = { id: job.id, unitsDone: from };
      connection.run("UPDATE search_jobs SET units_done = :unitsDone WHERE id = :id", values);
      begun.set(connection, { ...job, text });
      return false;
    }
  }
  begun.delete(connection);
  return true;
}

/**
 * The text that the last slice has begun: to read a long one again for each slice would take longer than
 * the slice. Where the message has changed since then, a later job indexes it anew.
 */
const begun = new WeakMap<Connection, Job & { text: string }>();

function textOfJob(connection: Connection, job: Job): string {
  const last = begun.get(connection);
  const isBegun = last?.id === job.id && last.messageId === job.messageId;
  return isBegun && last.sessionId === job.sessionId ? last.text : readText(connection, job);
}

/** Where a piece ends that begins at `from`: between two words, unless one is as long as a piece. */
function endOfPiece(text: string, from: number): number {
  const most = from + pieceUnitsMax;
  if (most >= text.length) return text.length;
  const space = text.slice(from, most).search(/\s\S*$/u);
  return space > 0 ? from + space : most;
}

/** What is to be found of it now: nothing where it is hidden, removed, or its session is deleted. */
function readText(connection: Connection, { sessionId, messageId }: Job): string {
  if (messageId === "") {
    const session = connection.get<{ title: string }>(
      "SELECT title FROM sessions WHERE session_id = :sessionId AND deleted_at IS NULL",
      { sessionId },
    );
    return session?.title ?? "";
  }
  const message = connection.get<{ parts: string }>(
    `SELECT parts FROM sessions JOIN messages USING (session_id, principal)
     WHERE session_id = :sessionId AND message_id = :messageId AND deleted_at IS NULL
       AND replaced_by_turn_id IS NULL`,
    { sessionId, messageId },
  );
  return message === undefined ? "" : textOf(JSON.parse(message.parts));
}

function addRow(connection: Connection, { sessionId, messageId }: Job, words: string[]): void {
  const session = words.length > 0 && nextRow(connection, sessionId);
  if (!session) return;
  const { principal, number, row } = session;
  connection.run(
    "INSERT INTO search (rowid, words) VALUES ((:principal << 43) | (:number << 21) | :row, :words)",
    { principal, number, row, words: Array.from(new Set(words)).join(" ") },
  );
  connection.run(
    `INSERT INTO search_rows (session_id, message_id, row_number)
     VALUES (:sessionId, :messageId, :row)`,
    { sessionId, messageId, row },
  );
}

type RowPlace = { principal: number; number: number; row: number };

/** The session's next place in the index; undefined where its numbers are used up. */
function nextRow(connection: Connection, sessionId: string): RowPlace | undefined {
  const place = takeRow(connection, sessionId) ?? takeFirstRow(connection, sessionId);
  if (place === undefined) return undefined;
  const { principals, sessions, rows } = numbersMax;
  const fits = place.principal < principals && place.number < sessions && place.row < rows;
  return fits ? place : undefined;
}

function takeRow(connection: Connection, sessionId: string): RowPlace | undefined {
  return connection.get<RowPlace>(
    `UPDATE search_sessions SET rows_numbered = rows_numbered + 1 WHERE session_id = :sessionId
     RETURNING principal_number AS principal, session_number AS number, rows_numbered AS row`,
    { sessionId },
  );
}

function takeFirstRow(connection: Connection, sessionId: string): RowPlace | undefined {
  connection.run(
    `INSERT INTO search_principals (principal, principal_number, sessions_numbered)
     SELECT principal, (SELECT coalesce(max(principal_number), 0) + 1 FROM search_principals), 1
     FROM sessions WHERE session_id = :sessionId
     ON CONFLICT (principal) DO UPDATE SET sessions_numbered = sessions_numbered + 1`,
    { sessionId },
  );
  connection.run(
    `INSERT INTO search_sessions (session_id, principal_number, session_number, rows_numbered)
     SELECT session_id, principal_number, sessions_numbered, 0
     FROM sessions JOIN search_principals USING (principal) WHERE session_id = :sessionId`,
    { sessionId },
  );
  return takeRow(connection, sessionId);
}

function removeRows(connection: Connection, { sessionId, messageId }: Job): void {
  const rows = connection.all<{ row: number }>(
    `SELECT row_number AS row FROM search_rows
     WHERE session_id = :sessionId AND message_id = :messageId`,
    { sessionId, messageId },
  );
  for (const { row } of rows) removeRow(connection, { sessionId, messageId, row });
}

/** Takes one piece of a message, or of a title, out of the index. */
export function removeRow(
  connection: Connection,
  { sessionId, messageId, row }: { sessionId: string; messageId: string; row: number },
): void {
  connection.run(
    `DELETE FROM search WHERE rowid = (
       SELECT (principal_number << 43) | (session_number << 21) | :row FROM search_sessions
       WHERE session_id = :sessionId
     )`,
    { sessionId, row },
  );
  connection.run(
    `DELETE FROM search_rows
     WHERE session_id = :sessionId AND message_id = :messageId AND row_number = :row`,
    { sessionId, messageId, row },
  );
}
