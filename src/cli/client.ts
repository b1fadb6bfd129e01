import * as http from "node:http";
import * as https from "node:https";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { ChatService } from "../gen/chat/chat_pb.ts";
import { CliError, exitCode } from "./exit-code.ts";

/** How the client talks: native gRPC over HTTP/2, or the two that also pass HTTP/1.1 proxies. */
export const protocols = ["grpc", "grpc-web", "connect"] as const;
export type Protocol = (typeof protocols)[number];

/** The longest that a call with one answer may take. Turns stream, and have none. */
export const callTimeoutMs = 10_000;

export type Connection = {
  readonly client: Client<typeof ChatService>;
  readonly url: string;
  /** Ends the connection at once, so that an idle one does not keep the process alive. */
  close(): void;
};

/** Makes a client of the server at `url`; nothing is sent before the first call. */
export function connect(url: string, protocol: Protocol): Connection {
  const { transport, close } = protocol === "grpc" ? overHttp2(url) : overHttp1(url, protocol);
  return { client: createClient(ChatService, transport), url, close };
}

function overHttp2(baseUrl: string): { transport: Transport; close: () => void } {
  // A dead connection is noticed by its pings while a turn is silent.
  const sessionManager = new Http2SessionManager(baseUrl, {
    pingIntervalMs: 20_000,
    pingTimeoutMs: 10_000,
  });
  const transport = createGrpcTransport({ baseUrl, sessionManager });
  return { transport, close: () => sessionManager.abort() };
}

function overHttp1(
  baseUrl: string,
  protocol: Exclude<Protocol, "grpc">,
): { transport: Transport; close: () => void } {
  const { Agent } = baseUrl.startsWith("https:") ? https : http;
  const agent = new Agent({ keepAlive: true });
  const options = { baseUrl, httpVersion: "1.1", nodeOptions: { agent } } as const;
  const transport =
    protocol === "connect" ? createConnectTransport(options) : createGrpcWebTransport(options);
  return { transport, close: () => agent.destroy() };
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
