import type { FinishReason, Message, MessageState } from "../chat/message.ts";
import type { TurnEnd, TurnType } from "../chat/turn.ts";
import { extendParts, type PartSpan } from "./part-span.ts";

/** The message that a turn's end leaves in the history; undefined when nothing had arrived. */
export function replyOf(end: TurnEnd): Message | undefined {
  if (end.parts.length === 0) return undefined;
  return {
    messageId: end.replyMessageId,
    sessionId: end.sessionId,
    turnId: end.turnId,
    role: "model",
    parts: end.parts,
    createdAt: end.endedAt,
    requestId: "",
    model: end.model,
    ...outcomeOf(end),
  };
}

/**
 * An earlier reply with a `continue` turn's at its end, and where that stands in it. One that ended in a
 * failure before it had any text leaves the message as it was: it can be continued again.
 */
export function extendReply(
  message: Message,
  end: TurnEnd,
): { message: Message; span: PartSpan | undefined } {
  const { parts, span } = extendParts(message.parts, end.parts);
  const outcome = outcomeOf(end);
  if (span === undefined && outcome.state === "partial") return { message, span };
  const { errorReason: _reason, errorMessage: _text, ...kept } = message;
  return { message: { ...kept, parts, ...outcome }, span };
}

/** Whether the turn brings its question, or answers one that is there. */
export function hasOwnQuestion(type: TurnType): boolean {
  return type === "message" || type === "edit";
}

/** Whether the model had begun to answer: then a regenerated reply takes the old one's place (rule 15). */
export function hasBegun({ layout }: TurnEnd): boolean {
  return layout.some((entry) => entry.type !== "chunk" && entry.body.type === "start");
}

function outcomeOf(end: TurnEnd) {
  const { finishReason, usage, sequence, error } = end;
  return {
    state: stateAfter[finishReason],
    finishReason,
    usage,
    sequence,
    ...(error && { errorReason: error.reason, errorMessage: error.message }),
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
