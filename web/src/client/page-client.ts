import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { type ChatClient, createChatClient, isRetryable } from "../../../src/client/client.ts";
import { wakeWithPage } from "../../../src/client/web.ts";
import { ChatService } from "../../../src/gen/chat/chat_pb.ts";
import type { Credential, CredentialState } from "./credential.ts";
import { createObservable, type Observable, type Settable } from "./observable.ts";

/**
 * How the page reaches its server: the client that resumes, and a transport for queries. Whichever call the server
 * refuses for its credential, the credential is told.
 */
export type PageClient = {
  readonly chat: ChatClient;
  /** For connect-query: one attempt a call, with the same credential. */
  readonly transport: Transport;
  /** Why the latest call was not served; undefined where it was, or it was refused for good. */
  readonly trouble: Observable<unknown>;
  /**
   * Shows the server a credential before it is used. Throws where it does not take it, or was not reached; one
   * that may do less than this is a good one. Throws CANCELED where `signal` leaves it.
   */
  tryToken(token: string, signal?: AbortSignal): Promise<void>;
};

/** How long a server may take to say what it thinks of a credential, milliseconds. */
const tryTimeoutMs = 10_000;

/** Makes the client of the page's own origin. */
export function createPageClient(origin: string, credential: Credential): PageClient {
  const trouble = createObservable<unknown>(undefined);
  const interceptors = [tellTrouble(trouble), authorize(credential)];
  // One transport for both; createWebChatClient would bring gRPC-Web along, which the page does not speak.
  const transport = createConnectTransport({ baseUrl: origin, interceptors });
  const chat = createChatClient({ endpoints: [{ name: origin, transport }] });
  wakeWithPage(chat);
  const bare = createConnectTransport({ baseUrl: origin });
  return {
    chat,
    transport,
    trouble,
    async tryToken(token, signal) {
      const { listSessions } = ChatService.method;
      const headers = { authorization: `Bearer ${token}` };
      try {
        await bare.unary(listSessions, signal, tryTimeoutMs, headers, { pageSize: 1 });
      } catch (error) {
        const { code } = ConnectError.from(error);
        if (code === Code.Unauthenticated || isRetryable(error)) throw error;
      }
    },
  };
}

/** Shows the credential of now with each call, and tells it when that was refused. */
function authorize(credential: Credential): Interceptor {
  const note = (error: unknown, shown: CredentialState) => {
    if (ConnectError.from(error).code === Code.Unauthenticated) credential.refuse(shown);
  };
  async function* read<T>(messages: AsyncIterable<T>, shown: CredentialState): AsyncIterable<T> {
    try {
      yield* messages;
    } catch (error) {
      note(error, shown);
      throw error;
    }
  }
  return (next) => async (request) => {
    const shown = credential.state.get();
    if (shown.token !== "") request.header.set("authorization", `Bearer ${shown.token}`);
    try {
      const response = await next(request);
      if (!response.stream) return response;
      return { ...response, message: read(response.message, shown) };
    } catch (error) {
      note(error, shown);
      throw error;
    }
  };
}

/** Tells why a call was not served, and when one was. */
function tellTrouble(trouble: Settable<unknown>): Interceptor {
  return (next) => async (request) => {
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
}
