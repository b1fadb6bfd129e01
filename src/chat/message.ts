/** A piece of a message's content. The order of the parts is the order in which they are shown. */
export type Part =
  | {
      type: "text";
      text: string;
      /** Opaque to us: what the provider wants back with this part (Gemini's thoughtSignature). */
      signature?: string;
    }
  | {
      /** The model's thinking. It is shown folded, and is never sent back as part of the context. */
      type: "thought";
      text: string;
    };

export type Role = "user" | "model";

/** `partial`: cancelled, interrupted or failed; the parts are what had arrived. */
export type MessageState = "queued" | "streaming" | "complete" | "partial";

/** Tokens of one turn, as the provider counts them, or estimated where it does not. */
export type Usage = {
  inputTokens: number;
  outputTokens: number;
  thinkingTokens: number;
  cachedTokens: number;
  totalTokens: number;
  estimated: boolean;
};

/** How a turn ended (DESIGN section 2, rule 5). The first five end in RESPONSE_COMPLETE, the others in ERROR. */
export type FinishReason =
  | "stop"
  | "max_tokens"
  | "safety"
  | "cancelled"
  | "other"
  | "interrupted"
  | "incomplete"
  | "timeout"
  | "failed";

/** Finished or partial content in a session's history. */
export type Message = {
  messageId: string;
  sessionId: string;
  turnId: string;
  role: Role;
  parts: readonly Part[];
  state: MessageState;
  /** Milliseconds since 1970 UTC. */
  createdAt: number;
  /** The caller's idempotency key; on a user's message only, and empty where there was none. */
  requestId: string;
  /** On a model's message: the model that answered. */
  model: string;
  /** On a model's message whose turn has ended. */
  finishReason?: FinishReason;
  usage?: Usage;
  errorReason?: string;
  errorMessage?: string;
  /** The turn that took this message's place, where one did. */
  replacedByTurnId?: string;
  /** Sequence of the last event folded into this message; 0 before there is one. */
  sequence: number;
};

/** The message's text, thoughts left out. */
export function textOf(parts: readonly Part[]): string {
  return join(parts, "text");
}

/** The message's thoughts, its text left out. */
export function thoughtsOf(parts: readonly Part[]): string {
  return join(parts, "thought");
}

function join(parts: readonly Part[], type: Part["type"]): string {
  return parts.reduce((text, part) => (part.type === type ? text + part.text : text), "");
}
