import { type Attributes, SpanKind, SpanStatusCode, type Tracer } from "@opentelemetry/api";
import { type Part, textOf } from "../chat/message.ts";
import type { RunObserver } from "../chat/observer.ts";
import { isComplete, type Turn, type TurnEnd } from "../chat/turn.ts";
import { excerpt } from "./excerpt.ts";
import { errorType, genAiNames, ownNames, providerNames } from "./semantic-conventions.ts";
import { contextOf, traceParentOf } from "./trace-context.ts";

export type TurnSpanOptions = {
  tracer: Tracer;
  /** The adapter that reaches the model. */
  providerOf: (model: string) => string;
  /** What users and models say may be told (LOG_CONTENT). */
  logContent: boolean;
  /** Milliseconds since 1970 UTC. */
  now: () => number;
};

/** Makes a span for each run, below the call that started the turn; it tells of the first chunk, and of no other. */
export function createTurnSpans(options: TurnSpanOptions): (turn: Turn) => RunObserver {
  const { tracer, logContent, now } = options;
  return (turn) => {
    const { model, traceParent, createdAt } = turn;
    const attributes = {
      ...beginning(options, turn),
      [ownNames.queuedMs]: Math.max(0, now() - createdAt),
    };
    const kind = SpanKind.CLIENT;
    const span = tracer.startSpan(`chat ${model}`, { kind, attributes }, contextOf(traceParent));
    return {
      traceParent: traceParentOf(span),
      firstChunk(elapsedMs) {
        span.setAttribute(genAiNames.timeToFirstChunk, elapsedMs / 1_000);
        span.addEvent(ownNames.firstChunk);
      },
      nextChunk: () => undefined,
      ended(end) {
        if (end) span.setAttributes(ending(end, logContent));
        const failed = end === undefined || !isComplete(end.finishReason);
        if (failed) {
          span.setAttribute(errorType, end?.error?.reason ?? "STORAGE_UNAVAILABLE");
          span.setStatus({ code: SpanStatusCode.ERROR });
        }
        span.end();
      },
    };
  };
}

function beginning({ providerOf, logContent }: TurnSpanOptions, turn: Turn): Attributes {
  const { turnId, sessionId, model, userMessage } = turn;
  const provider = providerOf(model);
  return {
    [genAiNames.operation]: "chat",
    [genAiNames.provider]: providerNames[provider] ?? provider,
    [genAiNames.requestModel]: model,
    [genAiNames.stream]: true,
    [genAiNames.conversation]: sessionId,
    [ownNames.turnId]: turnId,
    ...(logContent && { [genAiNames.inputMessages]: messagesOf("user", userMessage.parts) }),
  };
}

function ending(end: TurnEnd, logContent: boolean): Attributes {
  const { usage, finishReason, model, totalChunks, parts } = end;
  return {
    [genAiNames.responseModel]: model,
    [genAiNames.finishReasons]: [finishReason],
    [genAiNames.inputTokens]: usage.inputTokens,
    [genAiNames.outputTokens]: usage.outputTokens,
    [genAiNames.cachedTokens]: usage.cachedTokens,
    [genAiNames.thinkingTokens]: usage.thinkingTokens,
    [ownNames.chunks]: totalChunks,
    ...(logContent && { [genAiNames.outputMessages]: messagesOf("assistant", parts) }),
  };
}

/** In the form of the conventions, which is JSON. */
function messagesOf(role: "user" | "assistant", parts: readonly Part[]): string {
  return JSON.stringify([{ role, parts: [{ type: "text", content: excerpt(textOf(parts)) }] }]);
}
