import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { type ChatClient, createChatClient, isRetryable } from "../../../src/client/client.ts";
import { wakeWithPage } from "../../../src/client/web.ts";
import { ChatService } from "../../../src/gen/chat/chat_pb.ts";
import type { Credential } from "./credential.ts";
import { createObservable, type Observable } from "./observable.ts";

/** How the page reaches its server: the client that resumes, and a transport for queries. */
export type PageClient = {
  readonly chat: ChatClient;
  /** For connect-query: one attempt a call, with the same credential. */
  readonly transport: Transport;
  /** Tells the credential when an error is the server's refusal of it. */
  noteError(error: unknown): void;
  /** Why the latest call was not served; undefined where it was, or it was refused for good. */
  readonly trouble: Observable<unknown>;
  /**
   * Shows the server a credential before it is used. Throws where it does not take it, or was not reached; one
   * that may do less than this is a good one.
   */
  tryToken(token: string): Promise<void>;
};

/** How long a server may take to say what it thinks of a credential, milliseconds. */
const tryTimeoutMs = 10_000;

/** Makes the client of the page's own origin. */
export function createPageClient(origin: string, credential: Credential): PageClient {
  const token = () => credential.state.get().token;
  const noteError = (error: unknown) => {
    if (ConnectError.from(error).code === Code.Unauthenticated) credential.refuse();
  };
  const trouble = createObservable<unknown>(undefined);
  const authorize: Interceptor = (next) => async (request) => {
    const shown = token();
    if (shown !== "") request.header.set("authorization", `Bearer ${shown}`);
    try {
      const response = await next(request);
      trouble.set(undefined);
      return response;
    } catch (error) {
      const isLeft = request.signal.aborted;
      if (!isLeft) trouble.set(isRetryable(error) ? error : undefined);
      throw error;
    }
  };
  // One transport for both; createWebChatClient would bring gRPC-Web along, which the page does not speak.
  const transport = createConnectTransport({ baseUrl: origin, interceptors: [authorize] });
  const chat = createChatClient({ endpoints: [{ name: origin, transport }] });
  wakeWithPage(chat);
  const bare = createConnectTransport({ baseUrl: origin });
  return {
    chat,
    transport,
    noteError,
    trouble,
    async tryToken(shown) {
      const { listSessions } = ChatService.method;
      const headers = { authorization: `Bearer ${shown}` };
      try {
        await bare.unary(listSessions, undefined, tryTimeoutMs, headers, { pageSize: 1 });
      } catch (error) {
        const { code } = ConnectError.from(error);
        if (code === Code.Unauthenticated || isRetryable(error)) throw error;
      }
    },
  };
}
