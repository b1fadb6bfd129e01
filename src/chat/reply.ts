import type { EndEvent, Event } from "./event.ts";
import type { Part } from "./message.ts";
import type { Turn, TurnEnd } from "./turn.ts";

/** Adds a chunk to a reply in place: text of the same kind as the last part extends it. */
export function addChunk(parts: Part[], chunk: { text: string; thought?: boolean }): void {
  const type = chunk.thought ? "thought" : "text";
  const last = parts.at(-1);
  if (last?.type === type) last.text += chunk.text;
  else parts.push({ type, text: chunk.text });
}

/** Puts what the provider wants back on the reply's last text, where there is one. */
export function withSignature(parts: readonly Part[], signature: string | undefined): Part[] {
  const last = parts.findLastIndex(({ type }) => type === "text");
  return parts.map((part, index) =>
    signature !== undefined && index === last && part.type === "text"
      ? { ...part, signature }
      : part,
  );
}

/**
 * Reads from a turn's events how it ended: the same that was, or should have been, stored when it did.
 * Undefined where the events have no end.
 */
export function foldEnd(turn: Turn, fence: number, events: readonly Event[]): TurnEnd | undefined {
  const end = events.find((event) => event.type === "end");
  return end && toTurnEnd(turn, fence, end, foldParts(events));
}

/** What the store is told of a turn whose end has been recorded. */
export function toTurnEnd(
  turn: Turn,
  fence: number,
  end: EndEvent,
  parts: readonly Part[],
): TurnEnd {
  return {
    turnId: turn.turnId,
    sessionId: turn.sessionId,
    fence,
    model: end.model,
    finishReason: end.finishReason,
    ...(end.error && { error: end.error }),
    usage: end.usage,
    parts: withSignature(parts, end.signature),
    replyMessageId: turn.replyMessageId,
    totalChunks: end.totalChunks,
    ...(end.firstChunkMs !== undefined && { firstChunkMs: end.firstChunkMs }),
    processingMs: end.processingMs,
    sequence: end.sequence,
    endedAt: end.at,
  };
}

/** The reply that a turn's chunks make. */
export function foldParts(events: readonly Event[]): Part[] {
  const parts: Part[] = [];
  for (const event of events) if (event.type === "chunk") addChunk(parts, event);
  return parts;
}
