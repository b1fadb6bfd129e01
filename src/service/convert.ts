import type { MessageInitShape } from "@bufbuild/protobuf";
import { ChatError } from "../chat/errors.ts";
import type { Event, LiveUpdate, Question } from "../chat/event.ts";
import {
  type FinishReason as DomainFinishReason,
  type Message,
  type MessageState,
  textOf,
  thoughtsOf,
  type Usage,
} from "../chat/message.ts";
import type { GenerationConfig, SessionDetails } from "../chat/session.ts";
import { isComplete, type TurnError } from "../chat/turn.ts";
import type { GenerationConfig as WireGenerationConfig } from "../gen/chat/chat_pb.ts";
import {
  ChatResponse_Type,
  type ChatResponseSchema,
  FinishReason,
  type GenerationConfigSchema,
  Message_Role,
  Message_State,
  type MessageSchema,
  type SessionInfoResponseSchema,
  type SessionSummarySchema,
  type UsageSchema,
} from "../gen/chat/chat_pb.ts";

/** A response as a handler yields it. */
export type ChatResponseInit = MessageInitShape<typeof ChatResponseSchema>;

/** RFC 3339 with milliseconds; Python before 3.11 refuses `Z` (DESIGN section 1). */
export function toTimestamp(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "+00:00");
}

/** A count for an int32 field; it saturates instead of wrapping. */
export function toInt32(count: number): number {
  return Math.min(Math.round(count), 2_147_483_647);
}

const finishReasons = {
  stop: FinishReason.STOP,
  max_tokens: FinishReason.MAX_TOKENS,
  safety: FinishReason.SAFETY,
  cancelled: FinishReason.CANCELLED,
  other: FinishReason.OTHER,
  interrupted: FinishReason.INTERRUPTED,
  incomplete: FinishReason.INCOMPLETE,
  timeout: FinishReason.TIMEOUT,
  failed: FinishReason.FAILED,
} as const satisfies Record<DomainFinishReason, FinishReason>;

export function toFinishReason(reason: DomainFinishReason): FinishReason {
  return finishReasons[reason];
}

/** The header form of a finish reason: `STOP`, `MAX_TOKENS`. */
export function finishReasonName(reason: DomainFinishReason): string {
  return reason.toUpperCase();
}

const states = {
  queued: Message_State.QUEUED,
  streaming: Message_State.STREAMING,
  complete: Message_State.COMPLETE,
  partial: Message_State.PARTIAL,
} as const satisfies Record<MessageState, Message_State>;

export function toUsage(usage: Usage): MessageInitShape<typeof UsageSchema> {
  return {
    inputTokens: toInt32(usage.inputTokens),
    outputTokens: toInt32(usage.outputTokens),
    thinkingTokens: toInt32(usage.thinkingTokens),
    cachedTokens: toInt32(usage.cachedTokens),
    totalTokens: toInt32(usage.totalTokens),
    estimated: usage.estimated,
  };
}

export function toMessage(message: Message): MessageInitShape<typeof MessageSchema> {
  return {
    messageId: message.messageId,
    role: message.role === "user" ? Message_Role.USER : Message_Role.MODEL,
    text: textOf(message.parts),
    thoughts: thoughtsOf(message.parts),
    turnId: message.turnId,
    state: states[message.state],
    ...(message.finishReason && { finishReason: finishReasons[message.finishReason] }),
    ...(message.usage && { usage: toUsage(message.usage) }),
    model: message.model,
    createdAt: toTimestamp(message.createdAt),
    sequence: BigInt(message.sequence),
    requestId: message.requestId,
    replacedByTurnId: message.replacedByTurnId ?? "",
    errorReason: message.errorReason ?? "",
    errorMessage: message.errorMessage ?? "",
  };
}

/** The settings of the wire with unset fields left out. */
export function fromGeneration(generation: WireGenerationConfig | undefined): GenerationConfig {
  if (!generation) return {};
  const { temperature, topP, topK, seed, maxOutputTokens, thinkingTokensMax } = generation;
  const { responseJsonSchema, includeThoughts, stopSequences } = generation;
  return {
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { topP }),
    ...(topK !== undefined && { topK }),
    ...(seed !== undefined && { seed }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(thinkingTokensMax !== undefined && { thinkingTokensMax }),
    ...(responseJsonSchema && { responseJsonSchema }),
    ...(includeThoughts !== undefined && { includeThoughts }),
    ...(stopSequences.length > 0 && { stopSequences }),
  };
}

export function toGeneration(
  generation: GenerationConfig,
): MessageInitShape<typeof GenerationConfigSchema> {
  return { ...generation, stopSequences: [...(generation.stopSequences ?? [])] };
}

export function toSessionInfo(
  session: SessionDetails,
  now: number,
): MessageInitShape<typeof SessionInfoResponseSchema> {
  return {
    success: true,
    message: "ok",
    sessionId: session.sessionId,
    model: session.model,
    messageCount: toInt32(session.userMessages + session.modelMessages),
    userMessages: toInt32(session.userMessages),
    modelMessages: toInt32(session.modelMessages),
    durationSeconds: toInt32(Math.floor((now - session.createdAt) / 1000)),
    createdAt: toTimestamp(session.createdAt),
    title: session.title,
    updatedAt: toTimestamp(session.updatedAt),
    systemInstruction: session.systemInstruction,
    generation: toGeneration(session.generation),
    metadata: { ...session.metadata },
    usage: toUsage(session.usage),
    lastSequence: BigInt(session.lastSequence),
    runningTurnId: session.runningTurnId,
    queuedTurnIds: [...session.queuedTurnIds],
    forkedFromSessionId: session.forkedFromSessionId,
    etag: session.etag,
    epoch: session.epoch,
  };
}

export function toSessionSummary(
  session: SessionDetails,
  now: number,
): MessageInitShape<typeof SessionSummarySchema> {
  return {
    sessionId: session.sessionId,
    model: session.model,
    messageCount: toInt32(session.userMessages + session.modelMessages),
    durationMinutes: toInt32(Math.floor((now - session.createdAt) / 60_000)),
    createdAt: toTimestamp(session.createdAt),
    title: session.title,
    updatedAt: toTimestamp(session.updatedAt),
    preview: session.preview,
    running: session.runningTurnId !== "",
  };
}

/** A recorded event as readers see it. */
export function toChatResponse(sessionId: string, epoch: number, event: Event): ChatResponseInit {
  const common = {
    sessionId,
    sequence: BigInt(event.sequence),
    turnId: event.turnId,
    timestamp: toTimestamp(event.at),
    elapsedMs: event.elapsedMs,
    epoch,
  };
  switch (event.type) {
    case "status":
      return {
        ...common,
        type: ChatResponse_Type.STATUS,
        statusMessage: `${event.model} is thinking`,
        contextMessages: toInt32(event.contextMessages),
        model: event.model,
        ...question(event),
      };
    case "start":
      return {
        ...common,
        type: ChatResponse_Type.RESPONSE_START,
        model: event.model,
        messageId: event.messageId,
      };
    case "chunk":
      return {
        ...common,
        type: ChatResponse_Type.CHUNK,
        chunkText: event.text,
        chunkNumber: event.number,
        thought: event.thought ?? false,
      };
    case "end":
      return { ...common, ...endFields(event) };
    case "session_update":
      return {
        ...common,
        type: ChatResponse_Type.SESSION_UPDATE,
        updateType: event.updateType,
        updateData: JSON.stringify(event.data),
        ...question(event),
      };
  }
}

/** An update that is not recorded. */
export function toLiveUpdate(update: LiveUpdate, now: number): ChatResponseInit {
  return {
    type: ChatResponse_Type.SESSION_UPDATE,
    sessionId: update.sessionId,
    updateType: update.updateType,
    updateData: JSON.stringify(update.data),
    timestamp: toTimestamp(now),
  };
}

/** What a turn's first event says of its question. One that an older release recorded names the message's request. */
function question({
  userMessage,
  requestId,
}: Partial<Question>): Pick<ChatResponseInit, "userMessage" | "requestId"> {
  if (!userMessage) return {};
  return { userMessage: toMessage(userMessage), requestId: requestId ?? userMessage.requestId };
}

function endFields(event: Extract<Event, { type: "end" }>): ChatResponseInit {
  const { error } = event;
  return {
    type: isComplete(event.finishReason)
      ? ChatResponse_Type.RESPONSE_COMPLETE
      : ChatResponse_Type.ERROR,
    isFinal: true,
    finishReason: finishReasons[event.finishReason],
    totalChunks: toInt32(event.totalChunks),
    processingTime: event.processingMs / 1000,
    messageCount: toInt32(event.messageCount),
    messageId: event.messageId,
    model: event.model,
    usage: toUsage(event.usage),
    errorMessage: error?.message ?? "",
    errorReason: error?.reason ?? "",
    retryable: error?.retryable ?? false,
    retryAfterMs: error?.retryAfterMs ?? 0,
    ...question(event),
  };
}

/** The unrecorded ERROR event for a request that was refused, or for readers whose log failed. */
export function toErrorEvent(
  error: ChatError,
  about: { sessionId: string; turnId?: string; requestId?: string; now: number },
): ChatResponseInit {
  return {
    type: ChatResponse_Type.ERROR,
    sessionId: about.sessionId,
    turnId: about.turnId ?? "",
    requestId: about.requestId ?? "",
    timestamp: toTimestamp(about.now),
    errorMessage: error.message,
    errorReason: error.reason,
    retryable: error.retryable,
    retryAfterMs: error.retryAfterMs ?? 0,
  };
}

/** The status with which StreamChat and SendMessage end after a turn that failed. */
export function turnFailure(
  turnId: string,
  end: { error?: TurnError; finishReason: DomainFinishReason } | undefined,
): ChatError | undefined {
  if (!end?.error) return undefined;
  const { kind, reason, message, retryable, retryAfterMs } = end.error;
  return new ChatError(kind, reason, message, {
    retryable,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    metadata: { turn_id: turnId, finish_reason: finishReasonName(end.finishReason) },
  });
}
