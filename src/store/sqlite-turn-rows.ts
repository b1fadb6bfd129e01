import type { FinishReason, Message } from "../chat/message.ts";
import type { StoredTurn } from "../chat/store.ts";
import type { ChunkBy, OnDisconnect, Turn, TurnEnd, TurnState, TurnType } from "../chat/turn.ts";
import type { Connection } from "../sqlite/connection.ts";
import { firstReleaseLayout } from "./first-release-layout.ts";
import { decodeLayout } from "./layout-codec.ts";
import { partsIn } from "./part-span.ts";
import { type MessagePlace, type MessageRow, toMessage } from "./sqlite-messages.ts";

export type TurnRow = {
  turn_id: string;
  session_id: string;
  principal: string;
  type: TurnType;
  state: TurnState;
  queue_order: number;
  position: number | null;
  fence: number;
  request_id: string;
  on_disconnect: OnDisconnect | null;
  replaces: string;
  model: string;
  system_instruction: string;
  generation: string;
  chunk_by: ChunkBy;
  question_message_id: string;
  withdrawn_question: string | null;
  reply_message_id: string;
  created_at: number;
  trace_parent: string | null;
  answered_model: string;
  finish_reason: FinishReason | null;
  error: string | null;
  usage: string | null;
  total_chunks: number;
  first_chunk_ms: number | null;
  processing_ms: number | null;
  last_sequence: number;
  ended_at: number | null;
  reply_span: string | null;
  layout: Uint8Array | null;
};

export function findTurn(connection: Connection, turnId: string): TurnRow | undefined {
  return connection.get<TurnRow>("SELECT * FROM turns WHERE turn_id = :turnId", { turnId });
}

/** A message by its key, also where its session is being deleted. */
export function findMessage(connection: Connection, place: MessagePlace): Message | undefined {
  const row = connection.get<MessageRow>(
    `SELECT * FROM messages
     WHERE session_id = :sessionId AND principal = :principal AND message_id = :messageId`,
    { ...place },
  );
  return row && toMessage(row);
}

/** The turn with its question: its own, that of an earlier turn, or one that it took with it. */
export function toTurn(connection: Connection, row: TurnRow): Turn {
  const { principal, session_id: sessionId, question_message_id: messageId } = row;
  const question: Message | undefined =
    row.withdrawn_question === null
      ? findMessage(connection, { principal, sessionId, messageId })
      : JSON.parse(row.withdrawn_question);
  if (question === undefined) throw new Error(`turn "${row.turn_id}" has no question`);
  // As it was recorded with the turn, whatever has taken its place since.
  const { replacedByTurnId: _replaced, ...userMessage } = question;
  return {
    turnId: row.turn_id,
    sessionId,
    principal,
    requestId: row.request_id,
    type: row.type,
    onDisconnect: row.on_disconnect ?? undefined,
    replaces: JSON.parse(row.replaces),
    model: row.model,
    systemInstruction: row.system_instruction,
    generation: JSON.parse(row.generation),
    chunkBy: row.chunk_by,
    replyMessageId: row.reply_message_id,
    userMessage,
    createdAt: row.created_at,
    ...(row.trace_parent !== null && { traceParent: row.trace_parent }),
  };
}

export function toStoredTurn(connection: Connection, row: TurnRow): StoredTurn {
  const { state, fence } = row;
  const turn = toTurn(connection, row);
  if (row.ended_at === null) return { turn, state, fence };
  return { turn, state, fence, end: toEnd(connection, row, row.ended_at) };
}

function toEnd(connection: Connection, row: TurnRow, endedAt: number): TurnEnd {
  const end = {
    turnId: row.turn_id,
    sessionId: row.session_id,
    fence: row.fence,
    model: row.answered_model,
    finishReason: row.finish_reason ?? "other",
    ...(row.error !== null && { error: JSON.parse(row.error) }),
    usage: JSON.parse(row.usage ?? "null"),
    parts: ownParts(connection, row),
    replyMessageId: row.reply_message_id,
    totalChunks: row.total_chunks,
    ...(row.first_chunk_ms !== null && { firstChunkMs: row.first_chunk_ms }),
    processingMs: row.processing_ms ?? 0,
    sequence: row.last_sequence,
    endedAt,
  };
  if (row.layout !== null) return { ...end, layout: decodeLayout(row.layout) };
  const position = row.position ?? 1;
  const previousSequence = sequenceBefore(connection, row);
  return { ...end, layout: firstReleaseLayout({ end, position, previousSequence }) };
}

/** What the turn itself added to its message. */
function ownParts(connection: Connection, row: TurnRow): Message["parts"] {
  const { principal, session_id: sessionId, reply_message_id: messageId } = row;
  const isFirstRelease = row.layout === null;
  if (row.reply_span === null && !isFirstRelease) return [];
  const message = findMessage(connection, { principal, sessionId, messageId });
  if (message === undefined) return [];
  return row.reply_span === null
    ? message.parts
    : partsIn(message.parts, JSON.parse(row.reply_span));
}

function sequenceBefore(connection: Connection, row: TurnRow): number {
  const before = connection.get<{ sequence: number }>(
    `SELECT last_sequence AS sequence FROM turn_spans
     WHERE session_id = :sessionId AND last_sequence < :sequence
     ORDER BY last_sequence DESC LIMIT 1`,
    { sessionId: row.session_id, sequence: row.last_sequence },
  );
  return before?.sequence ?? 0;
}
