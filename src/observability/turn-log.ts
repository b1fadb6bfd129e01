import type { FastifyBaseLogger } from "fastify";
import { ChatError } from "../chat/errors.ts";
import { textOf } from "../chat/message.ts";
import type { EngineObserver } from "../chat/observer.ts";
import type { Turn, TurnEnd } from "../chat/turn.ts";
import { excerpt } from "./excerpt.ts";
import { traceIdOf } from "./trace-context.ts";

export type TurnLogOptions = {
  log: FastifyBaseLogger;
  /** What users and models say may be logged (LOG_CONTENT). */
  logContent: boolean;
};

/** A line for each turn when it has ended, and one for each fault of ours. */
export function logTurns({
  log,
  logContent,
}: TurnLogOptions): Pick<
  EngineObserver,
  "turnEnded" | "turnFailed" | "sessionsExpired" | "expiryFailed"
> {
  return {
    turnEnded(turn, end) {
      const line = lineOf(turn, end);
      log.info(logContent ? { ...line, ...contentOf(turn, end) } : line, "turn ended");
    },
    turnFailed({ turnId, sessionId }, error) {
      // What a provider does wrong is told with the turn's end; a fault of ours needs its cause.
      const expected = error instanceof ChatError && error.kind !== "internal";
      log[expected ? "debug" : "error"]({ turnId, sessionId, err: error }, "turn failed");
    },
    sessionsExpired: (count) =>
      log.info({ count }, "sessions deleted, unchanged for SESSION_TTL_MS"),
    expiryFailed: (err) => log.warn({ err }, "expired sessions could not be deleted"),
  };
}

function lineOf(turn: Turn, end: TurnEnd) {
  const { turnId, sessionId, model, finishReason, error, usage } = end;
  const { totalChunks, processingMs, firstChunkMs } = end;
  return {
    turnId,
    sessionId,
    principal: turn.principal,
    type: turn.type,
    model,
    finishReason,
    reason: error?.reason,
    totalChunks,
    processingMs,
    firstChunkMs,
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    traceId: traceIdOf(turn.traceParent),
  };
}

function contentOf({ userMessage }: Turn, { parts }: TurnEnd) {
  return { question: excerpt(textOf(userMessage.parts)), reply: excerpt(textOf(parts)) };
}
