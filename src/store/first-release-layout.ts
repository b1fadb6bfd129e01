import { textOf, thoughtsOf } from "../chat/message.ts";
import { isComplete, type LayoutEntry, type TurnEnd, type TurnLayout } from "../chat/turn.ts";

/** What the first release stored of a turn that is over: not where each chunk ended. */
export type FirstReleaseTurn = {
  end: Omit<TurnEnd, "layout">;
  /** As which of its session's turns it started, from 1. */
  position: number;
  /** Sequence of the last event of the turn before it, 0 for none. */
  previousSequence: number;
};

/**
 * A layout for a turn of the first release. Its turns wrote STATUS, RESPONSE_START, the chunks, and the end
 * without another event between them, so that sequences, kinds and the whole text are right; where the
 * text is cut and when each chunk came is spread evenly, thoughts first.
 */
export function firstReleaseLayout(turn: FirstReleaseTurn): TurnLayout {
  const { end, position, previousSequence } = turn;
  const startedAt = end.endedAt - end.processingMs;
  const chunks = chunksOf(end);
  const hasStart = end.firstChunkMs !== undefined;
  const first = end.sequence - chunks.length - (hasStart ? 1 : 0) - 1;
  const hasStatus = first > previousSequence;
  const firstMs = end.firstChunkMs ?? end.processingMs;
  const stepMs = chunks.length === 0 ? 0 : (end.processingMs - firstMs) / chunks.length;
  const bodies: (Unplaced & { elapsedMs: number })[] = [];
  if (hasStatus) bodies.push({ ...statusOf(end, position), elapsedMs: 0 });
  if (hasStart) bodies.push({ ...startOf(end), elapsedMs: firstMs });
  for (const [index, chunk] of chunks.entries()) {
    bodies.push({ ...chunk, elapsedMs: Math.round(firstMs + index * stepMs) });
  }
  bodies.push({ ...endOf(end, position, hasStatus), elapsedMs: end.processingMs });
  return bodies.map((body, index) => ({
    ...body,
    sequence: end.sequence - bodies.length + 1 + index,
    at: Math.round(startedAt + body.elapsedMs),
  }));
}

type Unplaced =
  | Omit<Extract<LayoutEntry, { type: "chunk" }>, "sequence" | "at" | "elapsedMs">
  | Omit<Extract<LayoutEntry, { body: unknown }>, "sequence" | "at" | "elapsedMs">;

function statusOf({ model }: FirstReleaseTurn["end"], position: number): Unplaced {
  // The history before it had a question and a reply a turn, unless one gave no reply.
  return { type: "question", body: { type: "status", model, contextMessages: position * 2 - 1 } };
}

function startOf({ model, replyMessageId: messageId }: FirstReleaseTurn["end"]): Unplaced {
  return { type: "other", body: { type: "start", model, messageId } };
}

function endOf(end: FirstReleaseTurn["end"], position: number, hasStatus: boolean): Unplaced {
  const { finishReason, error, model, usage, totalChunks, firstChunkMs, processingMs } = end;
  const signature = end.parts.findLast((part) => part.type === "text")?.signature;
  return {
    type: hasStatus ? "other" : "question",
    body: {
      type: "end",
      finishReason,
      ...(!isComplete(finishReason) && error && { error }),
      model,
      messageId: end.replyMessageId,
      usage,
      totalChunks,
      messageCount: position * 2 - (end.parts.length === 0 ? 1 : 0),
      ...(firstChunkMs !== undefined && { firstChunkMs }),
      processingMs,
      ...(signature !== undefined && { signature }),
    },
  };
}

function chunksOf({ parts, totalChunks }: FirstReleaseTurn["end"]): Unplaced[] {
  const thoughts = thoughtsOf(parts);
  const text = textOf(parts);
  const share = thoughts.length / Math.max(thoughts.length + text.length, 1);
  const least = thoughts === "" ? 0 : 1;
  const most = text === "" ? totalChunks : totalChunks - 1;
  const thoughtChunks = Math.max(Math.min(Math.round(share * totalChunks), most), least);
  return [
    ...lengths(thoughts, thoughtChunks).map((length): Unplaced => {
      return { type: "chunk", length, thought: true };
    }),
    ...lengths(text, totalChunks - thoughtChunks).map((length): Unplaced => {
      return { type: "chunk", length };
    }),
  ];
}

/** Lengths of `count` pieces of the text, about equal; none ends within a character. */
function lengths(text: string, count: number): number[] {
  let from = 0;
  return Array.from({ length: Math.max(count, 0) }, (_item, index) => {
    let to = Math.round(((index + 1) * text.length) / count);
    if (isLowSurrogate(text.charCodeAt(to))) to += 1;
    to = Math.max(from, Math.min(to, text.length));
    const length = to - from;
    from = to;
    return length;
  });
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
