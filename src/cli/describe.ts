import type {
  Model,
  ServerStatsResponse,
  SessionInfoResponse,
  SessionSummary,
  Usage,
} from "../gen/chat/chat_pb.ts";
import { nameOf } from "./sessions.ts";

/** Answers as rows for people; programs take the JSON. */
type Rows = readonly (readonly string[])[];

/** A session's settings and counts. */
export function describeSession(session: SessionInfoResponse): Rows {
  const { title, model, systemInstruction, userMessages, modelMessages, usage } = session;
  const { runningTurnId, queuedTurnIds, forkedFromSessionId } = session;
  const waiting = queuedTurnIds.length;
  const now = runningTurnId === "" ? "idle" : "replying";
  return [
    ["session", session.sessionId],
    ["title", title || "(none)"],
    ["model", model],
    ["system", systemInstruction || "(nothing)"],
    ["messages", `${userMessages} of the user, ${modelMessages} of the model`],
    ["tokens", describeUsage(usage)],
    ["now", waiting === 0 ? now : `${now}, ${waiting} waiting`],
    ["created", session.createdAt],
    ["changed", session.updatedAt],
    ...(forkedFromSessionId === "" ? [] : [["forked from", forkedFromSessionId]]),
  ];
}

function describeUsage(usage: Usage | undefined): string {
  if (usage === undefined) return "0";
  const { inputTokens, outputTokens, thinkingTokens, estimated } = usage;
  const thinking = thinkingTokens > 0 ? `, ${thinkingTokens} of thinking` : "";
  return `${inputTokens} in, ${outputTokens} out${thinking}${estimated ? " (estimated)" : ""}`;
}

/** The models, with a head. */
export function describeModels(models: readonly Model[]): Rows {
  return [
    ["MODEL", "NAME", "PROVIDER", "WINDOW", "ALIASES"],
    ...models.map((model) => [
      `${model.modelId}${model.isDefault ? " (default)" : ""}`,
      model.displayName,
      model.provider,
      model.contextTokensMax > 0 ? String(model.contextTokensMax) : "-",
      model.aliases.join(", ") || "-",
    ]),
  ];
}

/** What the server has done. */
export function describeStats(stats: ServerStatsResponse): Rows {
  const { successfulRequests, failedRequests, cancelledTurns } = stats;
  return [
    ["server", stats.framework],
    ["default model", stats.model],
    ["up", `${stats.uptimeSeconds} s`],
    ["requests", `${successfulRequests} ok, ${failedRequests} failed, ${cancelledTurns} cancelled`],
    ["sessions", `${stats.activeSessions}, ${stats.totalSessionsCreated} opened since the start`],
    ["now", `${stats.activeStreams} streams, ${stats.runningTurns} turns`],
    ["first chunk", `${stats.averageFirstChunkTime.toFixed(3)} s on average`],
    ["whole reply", `${stats.averageResponseTime.toFixed(3)} s on average`],
    ["tokens", `${stats.inputTokens} in, ${stats.outputTokens} out`],
  ];
}

/** Sessions, with a head. */
export function describeSessions(sessions: readonly SessionSummary[]): Rows {
  return [
    ["ID", "CHANGED", "MESSAGES", "MODEL", "NAME"],
    ...sessions.map((session) => [
      session.sessionId,
      session.updatedAt,
      `${session.messageCount}${session.running ? " …" : ""}`,
      session.model,
      nameOf(session),
    ]),
  ];
}
