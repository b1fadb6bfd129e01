import { sessionNotFound } from "../chat/errors.ts";
import type { Principal, Session, SessionDetails } from "../chat/session.ts";
import type { RequestKey, SessionChanges } from "../chat/store.ts";
import type { Connection, SqlValues } from "../sqlite/connection.ts";
import { etagMismatch, tooManySessions } from "./errors.ts";
import type { PageKey } from "./page-token.ts";
import { addUse, findUse } from "./sqlite-requests.ts";
import { addSearchJob } from "./sqlite-search-jobs.ts";

export type SessionRow = {
  session_id: string;
  principal: string;
  model: string;
  title: string;
  system_instruction: string;
  generation: string;
  metadata: string;
  created_at: number;
  updated_at: number;
  version: number;
  forked_from_session_id: string;
  preview: string;
  user_messages: number;
  model_messages: number;
  input_tokens: number;
  output_tokens: number;
  thinking_tokens: number;
  cached_tokens: number;
  total_tokens: number;
  usage_estimated: number;
  last_sequence: number;
  epoch: number;
  running_turn_id: string;
  queued_turn_ids: string;
};

/** With the ids of the turns that wait. */
export const selectSession = `
SELECT sessions.*, (
  SELECT json_group_array(turn_id ORDER BY queue_order) FROM turns
  WHERE turns.principal = sessions.principal AND turns.session_id = sessions.session_id
    AND turns.state = 'queued' AND turns.ended_at IS NULL
) AS queued_turn_ids
FROM sessions`;

export function createSession(
  connection: Connection,
  {
    session,
    requestKey,
    sessionsMax,
  }: {
    session: Session;
    requestKey: RequestKey | undefined;
    sessionsMax: number | undefined;
  },
): Session {
  const { principal, sessionId, createdAt } = session;
  const used = findUse(connection, principal, "session", requestKey);
  if (used) return withoutDetails(requireDetails(connection, principal, used.sessionId));
  insertSession(connection, session, sessionsMax);
  if (requestKey) {
    addUse(connection, principal, "session", requestKey, { sessionId, turnId: "", createdAt });
  }
  const stored = getSession(connection, { principal, sessionId });
  return stored ? withoutDetails(stored) : session;
}

/** Changes nothing where the id is taken. Throws TOO_MANY_SESSIONS. */
export function insertSession(
  connection: Connection,
  session: Session,
  sessionsMax: number | undefined,
): void {
  const { sessionId, principal, model, title, createdAt, updatedAt } = session;
  if (sessionsMax !== undefined) requireRoom(connection, session, sessionsMax);
  const inserted = connection.run(
    `INSERT INTO sessions (session_id, principal, model, title, system_instruction, generation, metadata,
       created_at, updated_at)
     VALUES (:sessionId, :principal, :model, :title, :systemInstruction, :generation, :metadata,
       :createdAt, :updatedAt)
     ON CONFLICT (session_id) DO NOTHING`,
    {
      sessionId,
      principal,
      model,
      title,
      systemInstruction: session.systemInstruction,
      generation: JSON.stringify(session.generation),
      metadata: JSON.stringify(session.metadata),
      createdAt,
      updatedAt,
    },
  );
  if (inserted > 0 && title !== "") addSearchJob(connection, sessionId, "");
}

/** Throws TOO_MANY_SESSIONS. Looks at no more of the principal's sessions than it may have, and only at their index. */
function requireRoom(
  connection: Connection,
  { principal, sessionId }: Session,
  sessionsMax: number,
): void {
  const row = connection.get<{ count: number }>(
    `SELECT count(*) AS count FROM (
       SELECT 1 FROM sessions WHERE principal = :principal AND deleted_at IS NULL LIMIT :sessionsMax
     )`,
    { principal, sessionsMax },
  );
  if ((row?.count ?? 0) < sessionsMax) return;
  const known = connection.get("SELECT 1 FROM sessions WHERE session_id = :sessionId", {
    sessionId,
  });
  if (known === undefined) throw tooManySessions(sessionsMax);
}

export function getSession(
  connection: Connection,
  { principal, sessionId }: { principal: Principal; sessionId: string },
): SessionDetails | undefined {
  const row = connection.get<SessionRow>(
    `${selectSession}
     WHERE session_id = :sessionId AND principal = :principal AND deleted_at IS NULL`,
    { principal, sessionId },
  );
  return row && toSession(row);
}

/** The session with all that is known of it. Throws `not_found`. */
export function requireDetails(
  connection: Connection,
  principal: Principal,
  sessionId: string,
): SessionDetails {
  const found = getSession(connection, { principal, sessionId });
  if (found === undefined) throw sessionNotFound(sessionId);
  return found;
}

export type SessionUpdateArgs = {
  principal: Principal;
  sessionId: string;
  changes: SessionChanges;
  etag: string;
  updatedAt: number;
};

export function updateSession(
  connection: Connection,
  { principal, sessionId, changes, etag, updatedAt }: SessionUpdateArgs,
): SessionDetails {
  const before = requireDetails(connection, principal, sessionId);
  if (etag !== "" && etag !== before.etag) throw etagMismatch(sessionId, before.etag);
  const { model, title, systemInstruction, generation, metadata } = { ...before, ...changes };
  connection.run(
    `UPDATE sessions SET model = :model, title = :title, system_instruction = :systemInstruction,
       generation = :generation, metadata = :metadata, version = version + 1,
       updated_at = max(updated_at, :updatedAt)
     WHERE session_id = :sessionId`,
    {
      sessionId,
      model,
      title,
      systemInstruction,
      generation: JSON.stringify(generation),
      metadata: JSON.stringify(metadata),
      updatedAt,
    },
  );
  if (title !== before.title) addSearchJob(connection, sessionId, "");
  return requireDetails(connection, principal, sessionId);
}

/** Up to `count` sessions after `after`, latest change first. */
export function listSessions(
  connection: Connection,
  { principal, count, after }: { principal: Principal; count: number; after: PageKey | undefined },
): SessionDetails[] {
  const values: SqlValues = { principal, count };
  if (after !== undefined) Object.assign(values, { order: after.order, id: after.id });
  const where = after === undefined ? "" : "AND (updated_at, session_id) < (:order, :id)";
  return connection
    .all<SessionRow>(
      `${selectSession} WHERE principal = :principal AND deleted_at IS NULL ${where}
       ORDER BY updated_at DESC, session_id DESC LIMIT :count`,
      values,
    )
    .map(toSession);
}

export function countSessions(
  connection: Connection,
  { principal }: { principal: Principal },
): number {
  const sql =
    "SELECT count(*) AS count FROM sessions WHERE principal = :principal AND deleted_at IS NULL";
  return connection.get<{ count: number }>(sql, { principal })?.count ?? 0;
}

/**
 * From here on the session is gone for everybody. What it holds is removed in steps, see sqlite-removal.ts;
 * only turns that wait or run go at once, as they are looked for without their session.
 */
export function deleteSession(
  connection: Connection,
  {
    principal,
    sessionId,
    deletedAt,
  }: { principal: Principal; sessionId: string; deletedAt: number },
): boolean {
  const deleted = connection.run(
    `UPDATE sessions SET deleted_at = :deletedAt, title = '', system_instruction = '',
       generation = '{}', metadata = '{}', preview = ''
     WHERE session_id = :sessionId AND principal = :principal AND deleted_at IS NULL`,
    { principal, sessionId, deletedAt },
  );
  if (deleted === 0) return false;
  connection.run(
    `DELETE FROM turns
     WHERE principal = :principal AND session_id = :sessionId AND ended_at IS NULL`,
    { principal, sessionId },
  );
  return true;
}

export function deletedSessions(connection: Connection): string[] {
  return connection
    .all<{ id: string }>(
      `SELECT session_id AS id FROM sessions WHERE deleted_at IS NOT NULL AND events_dropped = 0`,
    )
    .map(({ id }) => id);
}

export function forgetDeleted(connection: Connection, { sessionId }: { sessionId: string }): void {
  connection.run(
    `UPDATE sessions SET events_dropped = 1
     WHERE session_id = :sessionId AND deleted_at IS NOT NULL AND events_dropped = 0`,
    { sessionId },
  );
}

export function raiseEpoch(connection: Connection, { sessionId }: { sessionId: string }): number {
  const row = connection.get<{ epoch: number }>(
    `UPDATE sessions SET epoch = epoch + 1 WHERE session_id = :sessionId AND deleted_at IS NULL
     RETURNING epoch`,
    { sessionId },
  );
  if (row === undefined) throw sessionNotFound(sessionId);
  return row.epoch;
}

function withoutDetails(details: SessionDetails): Session {
  const { sessionId, principal, model, title, systemInstruction } = details;
  const { generation, metadata, createdAt, updatedAt } = details;
  const settings = { model, title, systemInstruction, generation, metadata };
  return { sessionId, principal, ...settings, createdAt, updatedAt };
}

export function toSession(row: SessionRow): SessionDetails {
  return {
    sessionId: row.session_id,
    principal: row.principal,
    model: row.model,
    title: row.title,
    systemInstruction: row.system_instruction,
    generation: JSON.parse(row.generation),
    metadata: JSON.parse(row.metadata),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    userMessages: row.user_messages,
    modelMessages: row.model_messages,
    usage: {
      inputTokens: row.input_tokens,
      outputTokens: row.output_tokens,
      thinkingTokens: row.thinking_tokens,
      cachedTokens: row.cached_tokens,
      totalTokens: row.total_tokens,
      estimated: row.usage_estimated !== 0,
    },
    lastSequence: row.last_sequence,
    epoch: row.epoch,
    runningTurnId: row.running_turn_id,
    queuedTurnIds: JSON.parse(row.queued_turn_ids),
    forkedFromSessionId: row.forked_from_session_id,
    etag: String(row.version),
    preview: row.preview,
  };
}
