import type { Message, Usage } from "../../src/chat/message.ts";
import type { Principal, Session } from "../../src/chat/session.ts";
import type { NewTurn, RequestKey } from "../../src/chat/store.ts";
import type { LayoutEntry, Turn, TurnEnd } from "../../src/chat/turn.ts";

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
    type: "message",
    onDisconnect: undefined,
    replaces: [],
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

/** A turn to create, behind those that wait; `rest` overrides. */
export function newTurn(turn: Turn, rest: Partial<NewTurn> = {}): NewTurn {
  return { turn, atHead: false, queuedTurnsMax: 100, ...rest };
}

export function keyOf(requestId: string, fingerprint = "payload"): RequestKey {
  return { requestId, fingerprint };
}

/** The layout of a turn that wrote STATUS, RESPONSE_START, a chunk and its end, the last as `sequence`. */
export function sampleLayout(name: string, sequence: number, text: string): LayoutEntry[] {
  const messageId = `reply-${name}`;
  const at = 2_990 + sequence;
  const end: LayoutEntry = {
    sequence,
    at,
    elapsedMs: 5,
    type: "other",
    body: {
      type: "end",
      finishReason: "stop",
      model: "eliza",
      messageId,
      usage: noUsage,
      totalChunks: 1,
      messageCount: 2,
      processingMs: 5,
    },
  };
  const status = { type: "status", model: "eliza", contextMessages: 1 } as const;
  const start = { type: "start", model: "eliza", messageId } as const;
  return [
    { sequence: sequence - 3, at: at - 5, elapsedMs: 0, type: "question", body: status },
    { sequence: sequence - 2, at: at - 3, elapsedMs: 2, type: "other", body: start },
    { sequence: sequence - 1, at: at - 2, elapsedMs: 2.5, type: "chunk", length: text.length },
    end,
  ];
}

/** The end of the turn `name` of session s1, whose events are the four up to `sequence`. */
export function sampleEnd(name: string, fence: number, fields: Partial<TurnEnd> = {}): TurnEnd {
  const sequence = fields.sequence ?? 4;
  const text = `answer ${name}`;
  return {
    turnId: name,
    sessionId: "s1",
    fence,
    model: "eliza",
    finishReason: "stop",
    usage: noUsage,
    parts: [{ type: "text", text }],
    replyMessageId: `reply-${name}`,
    totalChunks: 1,
    processingMs: 5,
    sequence,
    endedAt: 3_000,
    layout: sampleLayout(name, sequence, text),
    ...fields,
  };
}
