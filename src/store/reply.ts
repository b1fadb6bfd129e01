import type { FinishReason, Message, MessageState } from "../chat/message.ts";
import type { TurnEnd } from "../chat/turn.ts";

/** The message that a turn's end leaves in the history; undefined when nothing had arrived. */
export function replyOf(end: TurnEnd): Message | undefined {
  if (end.parts.length === 0) return undefined;
  return {
    messageId: end.replyMessageId,
    sessionId: end.sessionId,
    turnId: end.turnId,
    role: "model",
    parts: end.parts,
    state: stateAfter[end.finishReason],
    createdAt: end.endedAt,
    requestId: "",
    model: end.model,
    finishReason: end.finishReason,
    usage: end.usage,
    sequence: end.sequence,
    ...(end.error === undefined
      ? {}
      : { errorReason: end.error.reason, errorMessage: end.error.message }),
  };
}

const stateAfter = {
  stop: "complete",
  max_tokens: "complete",
  safety: "complete",
  other: "complete",
  cancelled: "partial",
  interrupted: "partial",
  incomplete: "partial",
  timeout: "partial",
  failed: "partial",
} as const satisfies Record<FinishReason, MessageState>;
