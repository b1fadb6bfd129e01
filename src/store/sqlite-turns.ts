import { sessionNotFound } from "../chat/errors.ts";
import type { Principal } from "../chat/session.ts";
import type { AcquiredTurn, NewTurn } from "../chat/store.ts";
import type { Turn } from "../chat/turn.ts";
import type { Connection } from "../sqlite/connection.ts";
import { queueFull } from "./errors.ts";
import { queuedOrder, startedOrder } from "./message-order.ts";
import { previewOf } from "./preview.ts";
import { hasOwnQuestion } from "./reply.ts";
import { hideMessages, insertMessage, latestPreview, removeMessage } from "./sqlite-messages.ts";
import { addUse, findUse } from "./sqlite-requests.ts";
import { insertSession } from "./sqlite-sessions.ts";
import { findTurn, type TurnRow, toTurn } from "./sqlite-turn-rows.ts";

type SessionRow = {
  principal: Principal;
  fence: number;
  turns_created: number;
  turns_started: number;
  running_turn_id: string;
  messages: number;
};

/** The session as its turns need it, unless it is deleted. */
export function findSession(connection: Connection, sessionId: string): SessionRow | undefined {
  return connection.get<SessionRow>(
    `SELECT principal, fence, turns_created, turns_started, running_turn_id,
       user_messages + model_messages AS messages
     FROM sessions WHERE session_id = :sessionId AND deleted_at IS NULL`,
    { sessionId },
  );
}

type CreateOutcome =
  | { outcome: "created" }
  | { outcome: "repeated"; turnId: string; sessionId: string };

export function createTurn(connection: Connection, newTurn: NewTurn): CreateOutcome {
  const { turn, session, requestKey } = newTurn;
  const { principal, turnId, sessionId, createdAt } = turn;
  const used = findUse(connection, principal, "turn", requestKey);
  if (used) return { outcome: "repeated", ...used };
  const known = findTurn(connection, turnId);
  if (known) return { outcome: "repeated", turnId, sessionId: known.session_id };
  if (session) insertSession(connection, session, newTurn.sessionsMax);
  const found = findSession(connection, sessionId);
  if (found?.principal !== principal) throw sessionNotFound(sessionId);
  const queueOrder = placeInQueue(connection, newTurn, found);
  insertTurn(connection, turn, queueOrder);
  if (turn.type === "edit") hideMessages(connection, turn, turn.replaces, turnId);
  const isOwn = hasOwnQuestion(turn.type);
  if (isOwn) insertQuestion(connection, turn, queueOrder);
  connection.run(
    `UPDATE sessions SET turns_created = turns_created + 1, user_messages = user_messages + :own,
       preview = coalesce(:preview, preview), updated_at = max(updated_at, :createdAt)
     WHERE session_id = :sessionId`,
    { sessionId, own: isOwn ? 1 : 0, preview: previewWith(connection, newTurn), createdAt },
  );
  if (requestKey)
    addUse(connection, principal, "turn", requestKey, { sessionId, turnId, createdAt });
  return { outcome: "created" };
}

/** The turn's place among those that wait. Throws QUEUE_FULL. */
function placeInQueue(
  connection: Connection,
  { turn, atHead, queuedTurnsMax }: NewTurn,
  session: SessionRow,
): number {
  const { principal, sessionId } = turn;
  const queue = connection.get<{ turns: number; head: number | null }>(
    `SELECT count(*) AS turns, min(queue_order) AS head FROM turns
     WHERE principal = :principal AND session_id = :sessionId AND state = 'queued'
       AND ended_at IS NULL`,
    { principal, sessionId },
  );
  const waiting = (queue?.turns ?? 0) + (session.running_turn_id === "" ? 0 : 1);
  if (waiting > queuedTurnsMax) throw queueFull(sessionId, queuedTurnsMax);
  const last = session.turns_created + 1;
  return atHead && queue && queue.head !== null ? queue.head - 1 : last;
}

function insertTurn(connection: Connection, turn: Turn, queueOrder: number): void {
  const { turnId, sessionId, principal, requestId, type, model, chunkBy } = turn;
  connection.run(
    `INSERT INTO turns (turn_id, session_id, principal, state, queue_order, request_id, type,
       on_disconnect, replaces, model, system_instruction, generation, chunk_by, question_message_id,
       reply_message_id, created_at, trace_parent)
     VALUES (:turnId, :sessionId, :principal, 'queued', :queueOrder, :requestId, :type,
       :onDisconnect, :replaces, :model, :systemInstruction, :generation, :chunkBy,
       :questionMessageId, :replyMessageId, :createdAt, :traceParent)`,
    {
      turnId,
      sessionId,
      principal,
      queueOrder,
      requestId,
      type,
      onDisconnect: turn.onDisconnect ?? null,
      replaces: JSON.stringify(turn.replaces),
      model,
      systemInstruction: turn.systemInstruction,
      generation: JSON.stringify(turn.generation),
      chunkBy,
      questionMessageId: turn.userMessage.messageId,
      replyMessageId: turn.replyMessageId,
      createdAt: turn.createdAt,
      traceParent: turn.traceParent ?? null,
    },
  );
}

function insertQuestion(connection: Connection, turn: Turn, queueOrder: number): void {
  const { principal, userMessage } = turn;
  const message = { ...userMessage, state: "queued" as const };
  insertMessage(connection, principal, message, queuedOrder(queueOrder));
}

/** The session's preview with the turn's question; null where it stays. */
function previewWith(connection: Connection, { turn, atHead }: NewTurn): string | null {
  const { principal, sessionId, type, userMessage } = turn;
  if (!hasOwnQuestion(type)) return null;
  // One at the head stands before the others that wait: the last of these is the latest still.
  return atHead ? latestPreview(connection, principal, sessionId) : previewOf(userMessage.parts);
}

export function acquireTurn(
  connection: Connection,
  { sessionId, owner }: { sessionId: string; owner: string },
): AcquiredTurn | "busy" | "idle" {
  const session = findSession(connection, sessionId);
  if (session === undefined) return "idle";
  if (session.running_turn_id !== "") return "busy";
  const { principal } = session;
  const row = connection.get<TurnRow>(
    `SELECT * FROM turns WHERE principal = :principal AND session_id = :sessionId AND state = 'queued'
       AND ended_at IS NULL
     ORDER BY queue_order LIMIT 1`,
    { principal, sessionId },
  );
  if (row === undefined) return "idle";
  const fence = session.fence + 1;
  const position = session.turns_started + 1;
  const { turn_id: turnId } = row;
  connection.run(
    `UPDATE sessions SET fence = :fence, turns_started = :position, running_turn_id = :turnId
     WHERE session_id = :sessionId`,
    { sessionId, fence, position, turnId },
  );
  connection.run(
    `UPDATE turns SET state = 'running', position = :position, fence = :fence, owner = :owner
     WHERE turn_id = :turnId`,
    { turnId, position, fence, owner },
  );
  if (hasOwnQuestion(row.type)) beginQuestion(connection, row, position);
  const messages = session.messages - countQueuedQuestions(connection, principal, sessionId);
  return { turn: toTurn(connection, row), fence, messages };
}

/** The question takes its place in the history. */
function beginQuestion(connection: Connection, row: TurnRow, position: number): void {
  connection.run(
    `UPDATE messages SET state = 'complete', ord = :order
     WHERE session_id = :sessionId AND principal = :principal AND message_id = :messageId`,
    {
      sessionId: row.session_id,
      principal: row.principal,
      messageId: row.question_message_id,
      order: startedOrder(position, "user"),
    },
  );
}

function countQueuedQuestions(
  connection: Connection,
  principal: Principal,
  sessionId: string,
): number {
  const row = connection.get<{ count: number }>(
    `SELECT count(*) AS count FROM turns
     WHERE principal = :principal AND session_id = :sessionId AND state = 'queued'
       AND ended_at IS NULL AND type IN ('message', 'edit')`,
    { principal, sessionId },
  );
  return row?.count ?? 0;
}

export function withdrawTurn(
  connection: Connection,
  { sessionId, turnId }: { sessionId: string; turnId: string },
): boolean {
  const row = findTurn(connection, turnId);
  if (row?.session_id !== sessionId || row.state !== "queued") return false;
  const { principal } = row;
  const isOwn = hasOwnQuestion(row.type);
  // As it is told with the turn's events; the turn keeps it, as its end may be told again.
  const question = { ...toTurn(connection, row).userMessage, state: "complete" };
  connection.run(
    `UPDATE turns SET state = 'running', withdrawn_question = :question WHERE turn_id = :turnId`,
    { turnId, question: isOwn ? JSON.stringify(question) : null },
  );
  if (!isOwn) return true;
  removeMessage(connection, { principal, sessionId, messageId: row.question_message_id });
  connection.run(
    `UPDATE sessions SET user_messages = user_messages - 1, preview = :preview
     WHERE session_id = :sessionId`,
    { sessionId, preview: latestPreview(connection, principal, sessionId) },
  );
  return true;
}

export function replaceMessages(
  connection: Connection,
  {
    sessionId,
    messageIds,
    byTurnId,
  }: {
    sessionId: string;
    messageIds: readonly string[];
    byTurnId: string;
  },
): void {
  const session = findSession(connection, sessionId);
  if (session === undefined) return;
  hideMessages(connection, { principal: session.principal, sessionId }, messageIds, byTurnId);
}
