import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { type ChatClient, createChatClient } from "../../../src/client/client.ts";
import { wakeWithPage } from "../../../src/client/web.ts";
import type { Credential } from "./credential.ts";

/** How the page reaches its server: the client that resumes, and a transport for queries. */
export type PageClient = {
  readonly chat: ChatClient;
  /** For connect-query: one attempt a call, with the same credential. */
  readonly transport: Transport;
  /** Tells the credential when an error is the server's refusal of it. */
  noteError(error: unknown): void;
};

/** Makes the client of the page's own origin. */
export function createPageClient(origin: string, credential: Credential): PageClient {
  const token = () => credential.state.get().token;
  const noteError = (error: unknown) => {
    if (ConnectError.from(error).code === Code.Unauthenticated) credential.refuse();
  };
  const authorize: Interceptor = (next) => async (request) => {
    const shown = token();
    if (shown !== "") request.header.set("authorization", `Bearer ${shown}`);
    return next(request);
  };
  // One transport for both; createWebChatClient would bring gRPC-Web along, which the page does not speak.
  const transport = createConnectTransport({ baseUrl: origin, interceptors: [authorize] });
  const chat = createChatClient({ endpoints: [{ name: origin, transport }] });
  wakeWithPage(chat);
  return { chat, transport, noteError };
}
