import type { Message, Usage } from "../../src/chat/message.ts";
import type { Principal, Session } from "../../src/chat/session.ts";
import type { Turn, TurnEnd } from "../../src/chat/turn.ts";

export const alice: Principal = "alice";
export const bob: Principal = "bob";

export const noUsage: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  thinkingTokens: 0,
  cachedTokens: 0,
  totalTokens: 0,
  estimated: false,
};

export function sampleSession(fields: Partial<Session> = {}): Session {
  return {
    sessionId: "s1",
    principal: alice,
    model: "eliza",
    title: "",
    systemInstruction: "",
    generation: {},
    metadata: {},
    createdAt: 1_000,
    updatedAt: 1_000,
    ...fields,
  };
}

/** A turn of session s1 whose ids derive from `name`. */
export function sampleTurn(name: string, fields: Partial<Turn> = {}): Turn {
  const sessionId = fields.sessionId ?? "s1";
  const createdAt = fields.createdAt ?? 2_000;
  const userMessage: Message = {
    messageId: `question-${name}`,
    sessionId,
    turnId: name,
    role: "user",
    parts: [{ type: "text", text: `ask ${name}` }],
    state: "queued",
    createdAt,
    requestId: `request-${name}`,
    model: "",
    sequence: 0,
  };
  return {
    turnId: name,
    sessionId,
    principal: alice,
    requestId: userMessage.requestId,
    model: "eliza",
    systemInstruction: "",
    generation: {},
    chunkBy: "model",
    replyMessageId: `reply-${name}`,
    userMessage,
    createdAt,
    ...fields,
  };
}

/** The end of the turn `name` of session s1. */
export function sampleEnd(name: string, fence: number, fields: Partial<TurnEnd> = {}): TurnEnd {
  return {
    turnId: name,
    sessionId: "s1",
    fence,
    model: "eliza",
    finishReason: "stop",
    usage: noUsage,
    parts: [{ type: "text", text: `answer ${name}` }],
    replyMessageId: `reply-${name}`,
    totalChunks: 1,
    processingMs: 5,
    sequence: 3,
    endedAt: 3_000,
    ...fields,
  };
}
