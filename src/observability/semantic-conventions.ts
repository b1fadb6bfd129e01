/*
 * The names of OpenTelemetry's semantic conventions 1.45.0 that our spans have. Those of gen_ai.* are not stable, and
 * on their way to a repository of their own (open-telemetry/semantic-conventions-genai), so all are pinned here: an
 * update of a library renames nothing.
 */

/** A call, https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/ */
export const rpcNames = {
  /** `grpc` or `connectrpc` */
  system: "rpc.system.name",
  /** `chat.ChatService/Chat` */
  method: "rpc.method",
  /** The status as the protocol writes it: `NOT_FOUND` of gRPC, `not_found` of Connect. */
  status: "rpc.response.status_code",
  clientAddress: "client.address",
} as const;

/** A turn, https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/ */
export const genAiNames = {
  operation: "gen_ai.operation.name",
  provider: "gen_ai.provider.name",
  /** The session. */
  conversation: "gen_ai.conversation.id",
  requestModel: "gen_ai.request.model",
  responseModel: "gen_ai.response.model",
  stream: "gen_ai.request.stream",
  finishReasons: "gen_ai.response.finish_reasons",
  /** Seconds. */
  timeToFirstChunk: "gen_ai.response.time_to_first_chunk",
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  cachedTokens: "gen_ai.usage.cache_read.input_tokens",
  thinkingTokens: "gen_ai.usage.reasoning.output_tokens",
  /** JSON; only with LOG_CONTENT=1. */
  inputMessages: "gen_ai.input.messages",
  outputMessages: "gen_ai.output.messages",
} as const;

/** Of any span that failed. */
export const errorType = "error.type";

/** Ours, where the conventions have no name. */
export const ownNames = {
  requestId: "chatwire.request.id",
  sessionId: "chatwire.session.id",
  turnId: "chatwire.turn.id",
  /** Milliseconds from the turn's creation to its run. */
  queuedMs: "chatwire.turn.queued_ms",
  chunks: "chatwire.turn.chunks",
  firstChunk: "chatwire.first_chunk",
} as const;

/** What the conventions call our providers; any other has its own name. */
export const providerNames: Readonly<Record<string, string>> = {
  gemini: "gcp.gemini",
  openai: "openai",
};
