import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { Identity } from "../auth/authenticator.ts";
import type { Caller } from "../chat/caller.ts";
import { ChatError, notImplemented } from "../chat/errors.ts";
import { type Part, textOf, thoughtsOf } from "../chat/message.ts";
import type { ModelCatalog } from "../chat/model-catalog.ts";
import { addChunk } from "../chat/reply.ts";
import type { Principal } from "../chat/session.ts";
import type { ChatRequest, ChatService, SendMessageResponseSchema } from "../gen/chat/chat_pb.ts";
import { framework, version } from "../version.ts";
import { callerOf, principalOf } from "./caller.ts";
import { chat } from "./chat-stream.ts";
import {
  fromGeneration,
  toFinishReason,
  toInt32,
  toMessage,
  toSessionInfo,
  toSessionSummary,
  toUsage,
  turnFailure,
} from "./convert.ts";
import { toSessionUpdate } from "./session-update.ts";
import { readTurn, type StreamOptions, startTurn, streamChat } from "./turn-stream.ts";
import { validateCancelTurn, validatePage, validateRequest } from "./validate.ts";
import { watch } from "./watch.ts";

export type ChatServiceOptions = StreamOptions & {
  models: ModelCatalog;
  /** Streams, and calls that wait for a reply, that are open now: the caller's, or everybody's. */
  activeStreams: (caller?: Caller) => number;
  /** Rejects where the storage cannot be read or takes no writes, as `/readyz` and grpc.health.v1 see it. */
  checkStorage: () => Promise<void>;
};

/** The RPCs of chat.ChatService. */
export function createChatService(options: ChatServiceOptions): ServiceImpl<typeof ChatService> {
  const { engine, models, now } = options;
  const defaultModel = () => models.defaultModel.info.modelId;

  return {
    async createSession(request, context) {
      validateRequest(request);
      const session = await engine.createSession(callerOf(context), {
        modelId: request.modelId,
        title: request.title,
        systemInstruction: request.systemInstruction,
        generation: fromGeneration(request.generation),
        metadata: request.metadata,
        requestId: request.requestId,
      });
      const { sessionId, model } = session;
      return { sessionId, model, success: true, message: `session created with ${model}` };
    },

    async getSessionInfo(request, context) {
      validateRequest(request);
      const session = await engine.getSession(principalOf(context), request.sessionId);
      return toSessionInfo(session, now());
    },

    async listSessions(request, context) {
      const page = { ...validatePage(request), query: request.query.trim() };
      const caller = callerOf(context);
      const { items, nextPageToken } = await engine.listSessions(caller, page);
      return {
        sessions: items.map((session) => toSessionSummary(session, now())),
        activeSessions: toInt32(await engine.countSessions(caller)),
        nextPageToken,
      };
    },

    async deleteSession(request, context) {
      validateRequest(request);
      await engine.deleteSession(principalOf(context), request.sessionId);
      return { success: true, message: "session deleted" };
    },

    async listMessages(request, context) {
      const { newestFirst, includeReplaced, sessionId } = request;
      const page = { ...validatePage(request), newestFirst, includeReplaced };
      const list = await engine.listMessages(principalOf(context), sessionId, page);
      return {
        messages: list.items.map(toMessage),
        nextPageToken: list.nextPageToken,
        lastSequence: BigInt(list.lastSequence),
        epoch: list.epoch,
      };
    },

    chat: (requests, context) => chat(options, requests, context),
    streamChat: (request, context) => streamChat(options, request, context),
    sendMessage: (request, context) => sendMessage(options, request, context),

    async cancelTurn(request, context) {
      validateCancelTurn(request);
      return engine.cancelTurn(principalOf(context), request);
    },

    async updateSession(request, context) {
      validateRequest(request);
      const changes = toSessionUpdate(request);
      const { sessionId, etag } = request;
      const session = await engine.updateSession(principalOf(context), sessionId, changes, etag);
      return { session: toSessionInfo(session, now()) };
    },

    async forkSession(request, context) {
      validateRequest(request);
      const session = await engine.forkSession(callerOf(context), request);
      return { sessionId: session.sessionId, session: toSessionInfo(session, now()) };
    },

    watchSession: (request, context) => watch(options, request, context),

    async getServerStats(_request, context) {
      const caller = callerOf(context);
      const whose = statsOf(caller);
      const stats = engine.stats(whose);
      return {
        uptimeSeconds: toInt32(Math.floor((now() - stats.startedAt) / 1000)),
        totalRequests: toInt32(stats.totalRequests),
        successfulRequests: toInt32(stats.successfulRequests),
        failedRequests: toInt32(stats.failedRequests),
        activeSessions: toInt32(await engine.countSessions(caller)),
        totalSessionsCreated: toInt32(stats.sessionsCreated),
        averageResponseTime: stats.averageResponseTime,
        averageFirstChunkTime: stats.averageFirstChunkTime,
        model: defaultModel(),
        framework,
        version,
        activeStreams: toInt32(options.activeStreams(whose === undefined ? undefined : caller)),
        runningTurns: toInt32(engine.runningTurns(whose)),
        inputTokens: BigInt(stats.inputTokens),
        outputTokens: BigInt(stats.outputTokens),
        cancelledTurns: BigInt(stats.cancelledTurns),
      };
    },

    async health(_request, context) {
      const startedMs = performance.now();
      const common = { model: defaultModel(), framework };
      try {
        await options.checkStorage();
        const activeSessions = toInt32(await engine.countSessions(callerOf(context)));
        const healthy = !engine.isDraining();
        const message = healthy ? "ok" : "the server is about to stop";
        // How long the store took to answer.
        const pingMs = performance.now() - startedMs;
        return { ...common, healthy, message, pingMs, activeSessions };
      } catch (error) {
        if (!(error instanceof ChatError)) throw error;
        return { ...common, healthy: false, message: error.message };
      }
    },

    listModels() {
      return {
        models: models.list().map(({ model: { info }, isDefault, aliases }) => ({
          modelId: info.modelId,
          displayName: info.displayName,
          provider: info.provider,
          isDefault,
          contextTokensMax: info.contextTokensMax,
          outputTokensMax: info.outputTokensMax,
          aliases: [...aliases],
          supportsAttachments: info.supportsAttachments,
          supportsThoughts: info.supportsThoughts,
        })),
      };
    },

    getAttachment: () => failingStream(notImplemented("GetAttachment")),
  };
}

/** Whose doings a caller is told: its own, or everybody's with the scope; shared callers have none to themselves. */
function statsOf({ scopes, isShared, principal }: Identity): Principal | undefined {
  if (scopes.has("metrics")) return undefined;
  return isShared ? "" : principal;
}

/** A stream that ends with an error before its first message. */
function failingStream(error: ChatError): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
}

/** One turn, the whole reply at once. A turn that fails ends the call with its status. */
async function sendMessage(
  options: ChatServiceOptions,
  request: ChatRequest,
  context: HandlerContext,
): Promise<MessageInitShape<typeof SendMessageResponseSchema>> {
  const turn = await startTurn(options, { ...request, afterSequence: 0n }, context);
  const { sessionId, turnId } = turn;
  context.responseHeader.set("chat-session-id", sessionId);
  const parts: Part[] = [];
  let response: MessageInitShape<typeof SendMessageResponseSchema> | undefined;
  for await (const event of readTurn(options, turn, context)) {
    if (event.type === "chunk") addChunk(parts, event);
    if (event.type !== "end") continue;
    const failure = turnFailure(turnId, event);
    if (failure) throw failure;
    // Not returned yet: a session that is being deleted ends the call in another way.
    response = {
      sessionId,
      turnId,
      messageId: event.messageId,
      text: textOf(parts),
      thoughts: thoughtsOf(parts),
      model: event.model,
      finishReason: toFinishReason(event.finishReason),
      usage: toUsage(event.usage),
      messageCount: toInt32(event.messageCount),
      processingTime: event.processingMs / 1000,
      sequence: BigInt(event.sequence),
    };
  }
  if (response) return response;
  throw new ChatError("internal", "INTERNAL", "the turn's events have no end");
}
