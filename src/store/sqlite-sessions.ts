import type { Principal, Session, SessionDetails } from "../chat/session.ts";
import type { Connection, SqlValues } from "../sqlite/connection.ts";
import type { PageKey } from "./page-token.ts";

type SessionRow = {
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

const selectSession = `
SELECT sessions.*, (
  SELECT json_group_array(turn_id ORDER BY queue_order) FROM turns
  WHERE turns.principal = sessions.principal AND turns.session_id = sessions.session_id
    AND turns.state = 'queued' AND turns.ended_at IS NULL
) AS queued_turn_ids
FROM sessions`;

/** Changes nothing where the id is taken. */
export function createSession(connection: Connection, session: Session): void {
  const { sessionId, principal, model, title, createdAt, updatedAt } = session;
  connection.run(
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
}

export function getSession(
  connection: Connection,
  { principal, sessionId }: { principal: Principal; sessionId: string },
): SessionDetails | undefined {
  const row = connection.get<SessionRow>(
    `${selectSession} WHERE session_id = :sessionId AND principal = :principal`,
    { principal, sessionId },
  );
  return row === undefined ? undefined : toSession(row);
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
      `${selectSession} WHERE principal = :principal ${where}
       ORDER BY updated_at DESC, session_id DESC LIMIT :count`,
      values,
    )
    .map(toSession);
}

export function countSessions(
  connection: Connection,
  { principal }: { principal: Principal },
): number {
  const sql = "SELECT count(*) AS count FROM sessions WHERE principal = :principal";
  return connection.get<{ count: number }>(sql, { principal })?.count ?? 0;
}

/** Its turns and messages go with it (ON DELETE CASCADE). */
export function deleteSession(
  connection: Connection,
  { principal, sessionId }: { principal: Principal; sessionId: string },
): boolean {
  const sql = "DELETE FROM sessions WHERE session_id = :sessionId AND principal = :principal";
  return connection.run(sql, { principal, sessionId }) > 0;
}

function toSession(row: SessionRow): SessionDetails {
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
