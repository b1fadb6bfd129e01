import { sessionNotFound } from "../chat/errors.ts";
import type { Message } from "../chat/message.ts";
import type { NewTurn, UnfinishedTurn } from "../chat/store.ts";
import type { ChunkBy, Turn, TurnEnd, TurnState } from "../chat/turn.ts";
import type { Connection } from "../sqlite/connection.ts";
import { queuedOrder, startedOrder } from "./message-order.ts";
import { previewOf } from "./preview.ts";
import { replyOf } from "./reply.ts";
import { insertMessage, type MessageRow, toMessage } from "./sqlite-messages.ts";
import { createSession } from "./sqlite-sessions.ts";
import { staleFence, turnNotFound } from "./turn-errors.ts";

type SessionRow = {
  principal: string;
  fence: number;
  turns_created: number;
  turns_started: number;
  running_turn_id: string;
};

type TurnRow = {
  turn_id: string;
  session_id: string;
  principal: string;
  state: TurnState;
  queue_order: number;
  position: number | null;
  fence: number;
  request_id: string;
  model: string;
  system_instruction: string;
  generation: string;
  chunk_by: ChunkBy;
  reply_message_id: string;
  created_at: number;
};

export function createTurn(connection: Connection, { turn, session }: NewTurn): void {
  if (findTurn(connection, turn.turnId) !== undefined) return;
  if (session !== undefined) createSession(connection, session);
  const found = findSession(connection, turn.sessionId);
  if (found?.principal !== turn.principal) throw sessionNotFound(turn.sessionId);
  const queueOrder = found.turns_created + 1;
  insertTurn(connection, turn, queueOrder);
  const message: Message = { ...turn.userMessage, state: "queued" };
  insertMessage(connection, turn.principal, message, queuedOrder(queueOrder));
  connection.run(
    `UPDATE sessions SET turns_created = :queueOrder, user_messages = user_messages + 1,
       preview = :preview, updated_at = max(updated_at, :createdAt)
     WHERE session_id = :sessionId`,
    {
      sessionId: turn.sessionId,
      queueOrder,
      preview: previewOf(message.parts),
      createdAt: turn.createdAt,
    },
  );
}

export function acquireTurn(
  connection: Connection,
  { sessionId, owner }: { sessionId: string; owner: string },
): { turn: Turn; fence: number } | "busy" | "idle" {
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
  const turnId = row.turn_id;
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
  connection.run(
    `UPDATE messages SET state = 'complete', ord = :started
     WHERE principal = :principal AND session_id = :sessionId AND ord = :queued`,
    {
      principal,
      sessionId,
      queued: queuedOrder(row.queue_order),
      started: startedOrder(position, "user"),
    },
  );
  return { turn: toTurn(connection, { ...row, position }), fence };
}

export function discardQueuedTurn(
  connection: Connection,
  { sessionId, turnId }: { sessionId: string; turnId: string },
): boolean {
  const row = findTurn(connection, turnId);
  if (row?.session_id !== sessionId || row.state !== "queued") return false;
  const { principal } = row;
  connection.run("DELETE FROM turns WHERE turn_id = :turnId", { turnId });
  connection.run(
    "DELETE FROM messages WHERE principal = :principal AND session_id = :sessionId AND ord = :order",
    { principal, sessionId, order: queuedOrder(row.queue_order) },
  );
  connection.run(
    `UPDATE sessions SET user_messages = user_messages - 1, preview = :preview
     WHERE session_id = :sessionId`,
    { sessionId, preview: latestPreview(connection, principal, sessionId) },
  );
  return true;
}

export function endTurn(connection: Connection, end: TurnEnd): void {
  const { sessionId, turnId, fence } = end;
  const session = findSession(connection, sessionId);
  if (session === undefined) return;
  const turn = findTurn(connection, turnId);
  if (turn?.session_id !== sessionId) throw turnNotFound(end);
  if (turn.fence !== fence || turn.position === null) throw staleFence(end);
  if (turn.state === "ended") return;
  storeEnd(connection, end);
  const reply = replyOf(end);
  if (reply !== undefined) {
    insertMessage(connection, turn.principal, reply, startedOrder(turn.position, "model"));
  }
  countEnd(connection, end, {
    replies: reply === undefined ? 0 : 1,
    preview: latestPreview(connection, turn.principal, sessionId),
  });
}

export function unfinishedTurns(connection: Connection): UnfinishedTurn[] {
  return connection
    .all<TurnRow & { state: "queued" | "running" }>(
      "SELECT * FROM turns WHERE ended_at IS NULL ORDER BY created_at, rowid",
    )
    .map((row) => ({ turn: toTurn(connection, row), state: row.state, fence: row.fence }));
}

function findSession(connection: Connection, sessionId: string): SessionRow | undefined {
  return connection.get<SessionRow>(
    `SELECT principal, fence, turns_created, turns_started, running_turn_id FROM sessions
     WHERE session_id = :sessionId`,
    { sessionId },
  );
}

function findTurn(connection: Connection, turnId: string): TurnRow | undefined {
  return connection.get<TurnRow>("SELECT * FROM turns WHERE turn_id = :turnId", { turnId });
}

function insertTurn(connection: Connection, turn: Turn, queueOrder: number): void {
  const { turnId, sessionId, principal, requestId, model, systemInstruction, chunkBy } = turn;
  connection.run(
    `INSERT INTO turns (turn_id, session_id, principal, state, queue_order, request_id, model,
       system_instruction, generation, chunk_by, reply_message_id, created_at)
     VALUES (:turnId, :sessionId, :principal, 'queued', :queueOrder, :requestId, :model,
       :systemInstruction, :generation, :chunkBy, :replyMessageId, :createdAt)`,
    {
      turnId,
      sessionId,
      principal,
      queueOrder,
      requestId,
      model,
      systemInstruction,
      generation: JSON.stringify(turn.generation),
      chunkBy,
      replyMessageId: turn.replyMessageId,
      createdAt: turn.createdAt,
    },
  );
}

function storeEnd(connection: Connection, end: TurnEnd): void {
  connection.run(
    `UPDATE turns SET state = 'ended', answered_model = :model, finish_reason = :finishReason,
       error = :error, usage = :usage, total_chunks = :totalChunks, first_chunk_ms = :firstChunkMs,
       processing_ms = :processingMs, last_sequence = :sequence, ended_at = :endedAt
     WHERE turn_id = :turnId`,
    {
      turnId: end.turnId,
      model: end.model,
      finishReason: end.finishReason,
      error: end.error === undefined ? null : JSON.stringify(end.error),
      usage: JSON.stringify(end.usage),
      totalChunks: end.totalChunks,
      firstChunkMs: end.firstChunkMs ?? null,
      processingMs: end.processingMs,
      sequence: end.sequence,
      endedAt: end.endedAt,
    },
  );
}

/** Keeps the session's sums, so that reading them costs one row. */
function countEnd(
  connection: Connection,
  end: TurnEnd,
  { replies, preview }: { replies: number; preview: string },
): void {
  const { usage } = end;
  connection.run(
    `UPDATE sessions SET running_turn_id = '', model_messages = model_messages + :replies,
       preview = :preview, updated_at = max(updated_at, :endedAt),
       last_sequence = max(last_sequence, :sequence), input_tokens = input_tokens + :inputTokens,
       output_tokens = output_tokens + :outputTokens,
       thinking_tokens = thinking_tokens + :thinkingTokens,
       cached_tokens = cached_tokens + :cachedTokens, total_tokens = total_tokens + :totalTokens,
       usage_estimated = max(usage_estimated, :estimated)
     WHERE session_id = :sessionId`,
    {
      sessionId: end.sessionId,
      replies,
      preview,
      endedAt: end.endedAt,
      sequence: end.sequence,
      inputTokens: usage.inputTokens,
      outputTokens: usage.outputTokens,
      thinkingTokens: usage.thinkingTokens,
      cachedTokens: usage.cachedTokens,
      totalTokens: usage.totalTokens,
      estimated: usage.estimated ? 1 : 0,
    },
  );
}

function latestPreview(connection: Connection, principal: string, sessionId: string): string {
  const latest = connection.get<{ parts: string }>(
    `SELECT parts FROM messages WHERE principal = :principal AND session_id = :sessionId
     ORDER BY ord DESC LIMIT 1`,
    { principal, sessionId },
  );
  return latest === undefined ? "" : previewOf(JSON.parse(latest.parts));
}

/** The turn with its user's message, which stands where `position` or `queue_order` says. */
function toTurn(connection: Connection, row: TurnRow): Turn {
  const { principal, session_id: sessionId, position, queue_order: queueOrder } = row;
  const order = position === null ? queuedOrder(queueOrder) : startedOrder(position, "user");
  const message = connection.get<MessageRow>(
    `SELECT * FROM messages WHERE principal = :principal AND session_id = :sessionId AND ord = :order`,
    { principal, sessionId, order },
  );
  if (message === undefined) throw new Error(`turn "${row.turn_id}" has no message`);
  return {
    turnId: row.turn_id,
    sessionId,
    principal,
    requestId: row.request_id,
    model: row.model,
    systemInstruction: row.system_instruction,
    generation: JSON.parse(row.generation),
    chunkBy: row.chunk_by,
    replyMessageId: row.reply_message_id,
    userMessage: toMessage(message),
    createdAt: row.created_at,
  };
}
