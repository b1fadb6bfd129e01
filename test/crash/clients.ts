import type { ChatClient } from "../../src/client/client.ts";
import { createNodeChatClient } from "../../src/client/node.ts";

/** The chat client by one way over the wire, with a connection of its own. */
export type WireClient = { name: string; client: ChatClient };

/** By h2c and HTTP/1.1, each protocol that a chat can take. */
export const ways = [
  { protocol: "grpc", httpVersion: "2" },
  { protocol: "connect", httpVersion: "2" },
  { protocol: "grpc-web", httpVersion: "2" },
  { protocol: "connect", httpVersion: "1.1" },
  { protocol: "grpc-web", httpVersion: "1.1" },
] as const;

/** As users set it up, but impatient: the server is gone for a second or two. */
export function connect(baseUrl: string, way: (typeof ways)[number]): WireClient {
  const retry = { delayMs: 40, delayMsMax: 320 };
  const client = createNodeChatClient({ baseUrls: [baseUrl], ...way, retry });
  return { name: `${way.protocol} by HTTP/${way.httpVersion}`, client };
}
