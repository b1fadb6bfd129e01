import { createClient } from "@connectrpc/connect";
import { type ChatClient, createChatClient } from "../client/client.ts";
import { createNodeEndpoint } from "../client/node.ts";
import type { RetryPolicy } from "../client/options.ts";
import {
  type ChatRequest,
  type ChatResponse,
  ChatService,
  type HealthResponse,
} from "../gen/chat/chat_pb.ts";
import type { GetToken } from "./credential.ts";
import { CliError, exitCode } from "./exit-code.ts";
import type { Protocol } from "./protocol.ts";

/** How long a call with one answer is tried again: a person waits for it. A turn is tried for longer. */
const unaryBudgetMs = 5_000;

/** The longest wait between two attempts: a person watches for the server to be back. */
const delayMsMax = 3_000;

export type Connection = {
  readonly client: ChatClient;
  readonly url: string;
  /** Asks the server once how it is: what keeps it from answering is thrown and not waited out. */
  health(timeoutMs: number): Promise<HealthResponse>;
  /**
   * Opens a bidirectional stream, once: what it was opened for is over when it is lost. Undefined where the
   * protocol has none that passes everywhere.
   */
  readonly chat:
    | ((
        requests: AsyncIterable<ChatRequest>,
        signal: AbortSignal,
      ) => Promise<AsyncIterable<ChatResponse>>)
    | undefined;
  /** Leaves every call, and ends the connection, so that an idle one does not keep the process alive. */
  close(): Promise<void>;
};

export type ConnectOptions = {
  retry?: Partial<RetryPolicy>;
  /** Gives the key or token to show; without it none is. */
  getToken?: GetToken | undefined;
};

/** Makes a client of the server at `url`; nothing is sent before the first call. */
export function connect(
  url: string,
  protocol: Protocol,
  { retry, getToken }: ConnectOptions = {},
): Connection {
  const httpVersion = protocol === "grpc" ? "2" : "1.1";
  const endpoint = createNodeEndpoint({ baseUrl: url, protocol, httpVersion });
  const client = createChatClient({
    endpoints: [endpoint],
    retry: { unaryBudgetMs, delayMsMax, ...retry },
    ...(getToken && { getToken }),
  });
  const once = createClient(ChatService, endpoint.transport);
  async function headersOf(signal: AbortSignal): Promise<Record<string, string>> {
    const token = await getToken?.(signal);
    return token ? { authorization: `Bearer ${token}` } : {};
  }
  return {
    client,
    url,
    async health(timeoutMs) {
      const headers = await headersOf(AbortSignal.timeout(timeoutMs));
      return once.health({}, { timeoutMs, headers });
    },
    chat:
      protocol === "grpc"
        ? async (requests, signal) =>
            once.chat(requests, { signal, headers: await headersOf(signal) })
        : undefined,
    close: client.close,
  };
}

/** The server's URL as it is used in messages and calls, without a last slash. Throws CliError (usage). */
export function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    const guess = URL.canParse(`http://${text}`) ? `, such as http://${text}` : "";
    throw new CliError(
      `"${text}" is no server's URL; it begins with http:// or https://${guess}`,
      exitCode.usage,
    );
  }
  if (`${url.username}${url.password}${url.search}${url.hash}` !== "") {
    throw new CliError("a server's URL has no name, password, query and fragment", exitCode.usage);
  }
  return url.href.replace(/\/+$/, "");
}
