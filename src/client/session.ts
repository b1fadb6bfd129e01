import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type CancelTurnRequest,
  type CancelTurnResponse,
  ChatService,
  type DeleteSessionResponse,
  type ForkSessionRequest,
  type ForkSessionResponse,
  type GenerationConfigSchema,
  type ListMessagesRequest,
  type ListMessagesResponse,
  type SessionInfoResponse,
  type UpdateSessionRequest,
  type UpdateSessionResponse,
} from "../gen/chat/chat_pb.ts";
import type { ClientContext } from "./context.ts";
import { deleteSession } from "./delete-session.ts";
import { type SendOptions, sendTurn, type Turn } from "./turn.ts";
import { callUnary, type UnaryOptions } from "./unary.ts";
import { type Watch, type WatchOptions, watchSession } from "./watch.ts";

/** A request's fields without the session, which is the handle's. */
type InSession<T> = Partial<Omit<T, "$typeName" | "$unknown" | "sessionId" | "generation">>;

/** One session of a chat client. Holds nothing: make as many as you like. */
export interface ChatSession {
  readonly sessionId: string;
  /** Every event of the session, across lost connections; see Watch. */
  watch(options?: WatchOptions): Watch;
  /** Sends a message and gives its turn, whose reply survives the connection; see Turn. */
  send(message: string, options?: SendOptions): Turn;
  /** The session's settings, counts and what runs in it. */
  getInfo(options?: UnaryOptions): Promise<SessionInfoResponse>;
  /** One page of its messages. */
  listMessages(
    request?: InSession<ListMessagesRequest>,
    options?: UnaryOptions,
  ): Promise<ListMessagesResponse>;
  /** Changes its settings. With an etag it is sent once: after a loss, read the session to learn what holds. */
  update(
    request: InSession<UpdateSessionRequest> & {
      generation?: MessageInitShape<typeof GenerationConfigSchema>;
    },
    options?: UnaryOptions,
  ): Promise<UpdateSessionResponse>;
  /** Copies it, or its beginning, into a new session; a retry does not make a second one. */
  fork(
    request?: InSession<ForkSessionRequest>,
    options?: UnaryOptions,
  ): Promise<ForkSessionResponse>;
  /** Removes it with everything in it. */
  delete(options?: UnaryOptions): Promise<DeleteSessionResponse>;
  /** Cancels a turn by its id or its request_id; with neither, whichever runs. */
  cancelTurn(
    request?: InSession<CancelTurnRequest>,
    options?: UnaryOptions,
  ): Promise<CancelTurnResponse>;
}

/** Makes the handle of a session; nothing is sent. */
export function createSession(context: ClientContext, sessionId: string): ChatSession {
  const { method } = ChatService;
  return {
    sessionId,
    watch: (options) => watchSession(context, sessionId, options),
    send: (message, options) => sendTurn(context, { sessionId, message }, options),
    getInfo: (options) => callUnary(context, method.getSessionInfo, { sessionId }, options),
    listMessages: (request, options) =>
      callUnary(context, method.listMessages, { ...request, sessionId }, options),
    update: (request, options) =>
      callUnary(context, method.updateSession, { ...request, sessionId }, options, {
        repeatable: (request.etag ?? "") === "",
      }),
    fork: (request, options) => {
      const requestId = request?.requestId || context.newRequestId();
      return callUnary(context, method.forkSession, { ...request, sessionId, requestId }, options);
    },
    delete: (options) => deleteSession(context, sessionId, options),
    cancelTurn: (request, options) =>
      callUnary(context, method.cancelTurn, { ...request, sessionId }, options),
  };
}
