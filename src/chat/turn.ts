import type { ChatErrorKind, ErrorReason } from "./errors.ts";
import type { EventBody } from "./event.ts";
import type { FinishReason, Message, Part, Usage } from "./message.ts";
import type { GenerationConfig, Principal } from "./session.ts";

/** How a reply is cut into chunks: as the model emits, at words, or one grapheme cluster a chunk. */
export type ChunkBy = "model" | "word" | "character";

/** What asked for a turn; all but `message` concern messages that are there already (DESIGN section 2, rule 15). */
export type TurnType =
  | "message"
  /** A new user message in the place of an older one and all that followed it. */
  | "edit"
  /** Another reply to the last question. */
  | "regenerate"
  /** More of the last reply, in the same message. */
  | "continue";

/** What becomes of a turn when the last call that started or joined it is lost (rule 10). */
export type OnDisconnect =
  /** It ends after a grace period in which nobody has read it. */
  | "grace"
  /** It runs to its end. */
  | "continue"
  /** It is cancelled at once. */
  | "cancel";

/** `queued`: durable, not yet run. `running`: a model may have been called. `ended`: has its one end. */
export type TurnState = "queued" | "running" | "ended";

/** One user message and the model's whole reply. It belongs to its session, not to a connection. */
export type Turn = {
  turnId: string;
  sessionId: string;
  principal: Principal;
  requestId: string;
  type: TurnType;
  /** Undefined where the caller left it open: then `grace`, and a call that is cancelled cancels it (rule 9). */
  onDisconnect: OnDisconnect | undefined;
  /**
   * Messages that this turn replaces: an edit's when it is created, a regenerate's at its RESPONSE_START.
   */
  replaces: readonly string[];
  /** The model asked, aliases resolved. */
  model: string;
  systemInstruction: string;
  generation: GenerationConfig;
  chunkBy: ChunkBy;
  /** The id of the reply's message; on a `continue` turn the message that it extends. */
  replyMessageId: string;
  /** The question: the turn's own, and on `regenerate` and `continue` turns that of an earlier one. */
  userMessage: Message;
  /** Milliseconds since 1970 UTC. */
  createdAt: number;
  /** W3C Trace Context of the call that started it. */
  traceParent?: string;
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
  /** The turn's events without their texts, so that they can be told again exactly. */
  layout: TurnLayout;
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

/**
 * What a turn's recorded events were, for a replay after the log has forgotten them (rule 6). The chunks'
 * texts are the reply's parts, cut here again by their lengths.
 */
export type TurnLayout = readonly LayoutEntry[];

export type LayoutEntry = {
  sequence: number;
  /** Milliseconds since 1970 UTC, and since the run began. */
  at: number;
  elapsedMs: number;
} & (
  | {
      type: "chunk";
      /** Of the text, UTF-16 units. */
      length: number;
      thought?: true;
    }
  | {
      /** Anything else, as it was recorded; `question` where it carried the turn's user message. */
      type: "other" | "question";
      body: Exclude<EventBody, { type: "chunk" }>;
    }
);
