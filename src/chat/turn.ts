import type { ChatErrorKind, ErrorReason } from "./errors.ts";
import type { FinishReason, Message, Part, Usage } from "./message.ts";
import type { GenerationConfig, Principal } from "./session.ts";

/** How a reply is cut into chunks: as the model emits, at words, or one grapheme cluster a chunk. */
export type ChunkBy = "model" | "word" | "character";

/** `queued`: durable, not yet run. `running`: a model may have been called. `ended`: has its one end. */
export type TurnState = "queued" | "running" | "ended";

/** One user message and the model's whole reply. It belongs to its session, not to a connection. */
export type Turn = {
  turnId: string;
  sessionId: string;
  principal: Principal;
  requestId: string;
  /** The model asked, aliases resolved. */
  model: string;
  systemInstruction: string;
  generation: GenerationConfig;
  chunkBy: ChunkBy;
  /** The id of the reply's message. */
  replyMessageId: string;
  userMessage: Message;
  /** Milliseconds since 1970 UTC. */
  createdAt: number;
};

/** Why a turn failed; recorded with its end. */
export type TurnError = {
  kind: ChatErrorKind;
  reason: ErrorReason;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
};

/**
 * Everything the store needs to know of a turn that is over. The event log has it first (DESIGN section 2,
 * rule 12), so that storing it again after a crash gives the same rows.
 */
export type TurnEnd = {
  turnId: string;
  sessionId: string;
  fence: number;
  /** The model that answered, or was asked last. */
  model: string;
  finishReason: FinishReason;
  error?: TurnError;
  usage: Usage;
  /** The reply: whole, or what had arrived. Empty when nothing had. */
  parts: readonly Part[];
  replyMessageId: string;
  totalChunks: number;
  /** When the model began to answer, milliseconds after the run began; absent when it never did. */
  firstChunkMs?: number;
  /** From the start of the run to the end, milliseconds. */
  processingMs: number;
  /** Sequence of the end event. */
  sequence: number;
  endedAt: number;
};

/** Ends that come as RESPONSE_COMPLETE; every other comes as ERROR (DESIGN section 2, rule 5). */
export function isComplete(reason: FinishReason): boolean {
  return (
    reason === "stop" ||
    reason === "max_tokens" ||
    reason === "safety" ||
    reason === "cancelled" ||
    reason === "other"
  );
}
