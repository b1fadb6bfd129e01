import type { Principal } from "../chat/session.ts";
import type { StoredTurn } from "../chat/store.ts";
import type { Turn, TurnEnd, TurnLayout } from "../chat/turn.ts";
import type { Connection } from "../sqlite/connection.ts";
import { staleFence, turnNotFound } from "./errors.ts";
import { encodeLayout } from "./layout-codec.ts";
import { startedOrder } from "./message-order.ts";
import { type PartSpan, wholeSpan } from "./part-span.ts";
import { extendReply, hasBegun, replyOf } from "./reply.ts";
import { hideMessages, insertMessage, latestPreview, updateMessage } from "./sqlite-messages.ts";
import { findMessage, findTurn, type TurnRow, toStoredTurn, toTurn } from "./sqlite-turn-rows.ts";
import { findSession } from "./sqlite-turns.ts";
import { countTokens } from "./sqlite-usage.ts";

export function endTurn(connection: Connection, end: TurnEnd): void {
  const { sessionId, turnId, fence } = end;
  const session = findSession(connection, sessionId);
  if (session === undefined) return;
  const turn = findTurn(connection, turnId);
  if (turn?.session_id !== sessionId) throw turnNotFound(end);
  if (turn.fence !== fence || turn.state === "queued") throw staleFence(end);
  if (turn.state === "ended") return;
  if (turn.type === "regenerate" && hasBegun(end)) {
    hideMessages(connection, { principal: turn.principal, sessionId }, replacesOf(turn), turnId);
  }
  const { span, replies } = storeReply(connection, turn, end);
  storeEnd(connection, end, span);
  storeSpans(connection, end);
  const preview = latestPreview(connection, turn.principal, sessionId);
  countEnd(connection, end, { replies, preview });
  countTokens(connection, turn.principal, end);
}

/** Where the turn's parts stand now, and how many messages the session has more. */
function storeReply(
  connection: Connection,
  turn: TurnRow,
  end: TurnEnd,
): { span: PartSpan | undefined; replies: number } {
  const { principal, position } = turn;
  const { sessionId, replyMessageId: messageId } = end;
  const extended =
    turn.type === "continue" && findMessage(connection, { principal, sessionId, messageId });
  if (extended) {
    const { message, span } = extendReply(extended, end);
    // The first release did not store where its turns' parts stand, as nothing came after them.
    const before = wholeSpan(extended.parts);
    if (before !== undefined) storeMissingSpan(connection, extended.turnId, before);
    updateMessage(connection, principal, message);
    return { span, replies: 0 };
  }
  const reply = replyOf(end);
  // A turn that was withdrawn has no place in the history, and no reply.
  if (reply === undefined || position === null) return { span: undefined, replies: 0 };
  insertMessage(connection, principal, reply, startedOrder(position, "model"));
  return { span: wholeSpan(reply.parts), replies: 1 };
}

function storeMissingSpan(connection: Connection, turnId: string, span: PartSpan): void {
  connection.run(
    `UPDATE turns SET reply_span = :span
     WHERE turn_id = :turnId AND reply_span IS NULL AND layout IS NULL`,
    { turnId, span: JSON.stringify(span) },
  );
}

function replacesOf({ replaces }: TurnRow): Turn["replaces"] {
  return JSON.parse(replaces);
}

function storeEnd(connection: Connection, end: TurnEnd, span: PartSpan | undefined): void {
  connection.run(
    `UPDATE turns SET state = 'ended', answered_model = :model, finish_reason = :finishReason,
       error = :error, usage = :usage, total_chunks = :totalChunks, first_chunk_ms = :firstChunkMs,
       processing_ms = :processingMs, last_sequence = :sequence, ended_at = :endedAt,
       reply_span = :span, layout = :layout
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
      span: span === undefined ? null : JSON.stringify(span),
      layout: encodeLayout(end.layout),
    },
  );
}

/** Where each unbroken row of the turn's events ended; other events may stand between them. */
function storeSpans(connection: Connection, { sessionId, turnId, layout }: TurnEnd): void {
  for (const lastSequence of lastSequences(layout)) {
    connection.run(
      `INSERT OR IGNORE INTO turn_spans (session_id, last_sequence, turn_id)
       VALUES (:sessionId, :lastSequence, :turnId)`,
      { sessionId, lastSequence, turnId },
    );
  }
}

function lastSequences(layout: TurnLayout): number[] {
  return layout
    .map(({ sequence }) => sequence)
    .filter((sequence, index) => layout[index + 1]?.sequence !== sequence + 1);
}

/** Keeps the session's sums, so that reading them costs one row. */
function countEnd(
  connection: Connection,
  end: TurnEnd,
  { replies, preview }: { replies: number; preview: string },
): void {
  const { usage } = end;
  connection.run(
    `UPDATE sessions SET
       running_turn_id = CASE running_turn_id WHEN :turnId THEN '' ELSE running_turn_id END,
       model_messages = model_messages + :replies,
       preview = :preview, updated_at = max(updated_at, :endedAt),
       last_sequence = max(last_sequence, :sequence), input_tokens = input_tokens + :inputTokens,
       output_tokens = output_tokens + :outputTokens,
       thinking_tokens = thinking_tokens + :thinkingTokens,
       cached_tokens = cached_tokens + :cachedTokens, total_tokens = total_tokens + :totalTokens,
       usage_estimated = max(usage_estimated, :estimated)
     WHERE session_id = :sessionId`,
    {
      turnId: end.turnId,
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

export function getTurn(
  connection: Connection,
  { principal, sessionId, turnId }: { principal: Principal; sessionId: string; turnId: string },
): StoredTurn | undefined {
  const row = findTurn(connection, turnId);
  if (row?.session_id !== sessionId || row.principal !== principal) return undefined;
  return findSession(connection, sessionId) && toStoredTurn(connection, row);
}

export function turnsAfter(
  connection: Connection,
  { sessionId, sequence, count }: { sessionId: string; sequence: number; count: number },
): StoredTurn[] {
  if (findSession(connection, sessionId) === undefined) return [];
  const turnIds = new Set<string>();
  for (let after = sequence; turnIds.size < count; ) {
    const spans = connection.all<{ lastSequence: number; turnId: string }>(
      `SELECT last_sequence AS lastSequence, turn_id AS turnId FROM turn_spans
       WHERE session_id = :sessionId AND last_sequence > :after ORDER BY last_sequence LIMIT :count`,
      { sessionId, after, count },
    );
    for (const { lastSequence, turnId } of spans) {
      if (turnIds.size < count) turnIds.add(turnId);
      after = lastSequence;
    }
    if (spans.length < count) break;
  }
  return Array.from(turnIds).flatMap((turnId) => {
    const row = findTurn(connection, turnId);
    return row === undefined ? [] : [toStoredTurn(connection, row)];
  });
}

export function unfinishedTurns(
  connection: Connection,
): { turn: Turn; state: "queued" | "running"; fence: number }[] {
  return connection
    .all<TurnRow & { state: "queued" | "running" }>(
      "SELECT * FROM turns WHERE ended_at IS NULL ORDER BY created_at, rowid",
    )
    .map((row) => ({ turn: toTurn(connection, row), state: row.state, fence: row.fence }));
}
