import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  ChatRequestSchema,
  ChatService,
  type CreateSessionRequestSchema,
  type CreateSessionResponse,
  type HealthResponse,
  type ListModelsResponse,
  type ListSessionsRequestSchema,
  type ListSessionsResponse,
  OnDisconnect,
  type SendMessageResponse,
  type ServerStatsResponse,
} from "../gen/chat/chat_pb.ts";
import { createContext } from "./context.ts";
import type { ChatClientOptions } from "./options.ts";
import { type ChatSession, createSession } from "./session.ts";
import { type SendOptions, sendTurn, type Turn } from "./turn.ts";
import { callUnary, type UnaryOptions } from "./unary.ts";
import {
  type SessionListItem,
  type WatchSessionsOptions,
  watchSessions,
} from "./watch-sessions.ts";

/** A chat client: calls that are retried, turns and watches that outlive their connections. */
export interface ChatClient {
  /** The handle of a session that exists; nothing is sent. */
  session(sessionId: string): ChatSession;
  /** Sends a message and opens a session for it; the turn learns the session's id with its first event. */
  send(message: string, options?: SendOptions): Turn;
  /** One turn, the whole reply in one answer. Its attempts have no deadline unless `timeoutMs` is given. */
  sendMessage(
    request: MessageInitShape<typeof ChatRequestSchema>,
    options?: UnaryOptions,
  ): Promise<SendMessageResponse>;
  /** Opens a session; a retry does not open a second one. */
  createSession(
    request?: MessageInitShape<typeof CreateSessionRequestSchema>,
    options?: UnaryOptions,
  ): Promise<CreateSessionResponse>;
  /** One page of the caller's sessions. */
  listSessions(
    request?: MessageInitShape<typeof ListSessionsRequestSchema>,
    options?: UnaryOptions,
  ): Promise<ListSessionsResponse>;
  /** The changes of the caller's sessions as they happen. */
  watchSessions(options?: WatchSessionsOptions): AsyncIterableIterator<SessionListItem>;
  /** The models that can be asked for. */
  listModels(options?: UnaryOptions): Promise<ListModelsResponse>;
  /** Whether the server can answer. */
  health(options?: UnaryOptions): Promise<HealthResponse>;
  /** What the server process has done since it started. */
  getServerStats(options?: UnaryOptions): Promise<ServerStatsResponse>;
  /**
   * The machine or its network may be back: waits end now, and silence is looked for now. `chatwire/client/web`
   * calls it when a page comes back to the front.
   */
  wake(): void;
  /**
   * Leaves every call: watches end, turns are given up (they go on by their on_disconnect), other calls fail
   * with CANCELED. Resolves when no timer, listener or connection is left. Repeating it is safe.
   */
  close(): Promise<void>;
}

/** Makes a client; nothing is sent before the first call. Throws RangeError for options that cannot be. */
export function createChatClient(options: ChatClientOptions): ChatClient {
  const { context, close } = createContext(options);
  const { method } = ChatService;
  return {
    session: (sessionId) => createSession(context, sessionId),
    send: (message, options) => sendTurn(context, { sessionId: "", message }, options),
    sendMessage(init, options) {
      const request = create(ChatRequestSchema, init);
      request.requestId ||= context.newRequestId();
      // As in Turn: an attempt that runs out of time is no decision to cancel.
      request.onDisconnect ||= OnDisconnect.GRACE;
      return callUnary(context, method.sendMessage, request, { timeoutMs: Infinity, ...options });
    },
    createSession(request, options) {
      const requestId = request?.requestId || context.newRequestId();
      return callUnary(context, method.createSession, { ...request, requestId }, options);
    },
    listSessions: (request = {}, options) =>
      callUnary(context, method.listSessions, request, options),
    watchSessions: (options) => watchSessions(context, options),
    listModels: (options) => callUnary(context, method.listModels, {}, options),
    health: (options) => callUnary(context, method.health, {}, options),
    getServerStats: (options) => callUnary(context, method.getServerStats, {}, options),
    wake() {
      for (const each of context.wakers) each();
    },
    close,
  };
}

// The package's entry point `chatwire/client`: everything else that its users name.
export type { ConnectionChange, OnConnection } from "./connection.ts";
export type { Cursor } from "./cursor.ts";
export type { Endpoint } from "./endpoints.ts";
export {
  classifyError,
  type ErrorClass,
  errorReason,
  isRetryable,
  retryAfterMs,
} from "./errors.ts";
export type { BufferBounds, ChatClientOptions, RetryPolicy } from "./options.ts";
export type { ChatSession } from "./session.ts";
export type { ReloadReason, SessionItem } from "./session-item.ts";
export type { SendOptions, Turn, TurnFields } from "./turn.ts";
export { TurnError, type TurnOutcome } from "./turn-error.ts";
export type { TurnFailure, TurnResult } from "./turn-result.ts";
export type { UnaryOptions } from "./unary.ts";
export type { Watch, WatchOptions } from "./watch.ts";
export type { SessionListItem, WatchSessionsOptions } from "./watch-sessions.ts";
