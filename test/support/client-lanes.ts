import { type TestContext, test } from "node:test";
import type { ChatClient } from "../../src/client/client.ts";
import { createNodeChatClient, type NodeEndpointOptions } from "../../src/client/node.ts";
import type { ChatClientOptions } from "../../src/client/options.ts";
import { startApp, type TestApp, type TestAppOptions } from "./app.ts";
import { type Relay, startRelay } from "./tcp-relay.ts";

/** One way in which the client library reaches a server. */
export type ClientLane = {
  readonly name: string;
  readonly protocol: NonNullable<NodeEndpointOptions["protocol"]>;
  readonly httpVersion: "1.1" | "2";
};

const lane = (protocol: ClientLane["protocol"], httpVersion: "1.1" | "2"): ClientLane => ({
  name: `${protocol} over HTTP/${httpVersion}`,
  protocol,
  httpVersion,
});

export const clientLanes: readonly ClientLane[] = [
  lane("grpc", "2"),
  lane("grpc-web", "2"),
  lane("grpc-web", "1.1"),
  lane("connect", "2"),
  lane("connect", "1.1"),
];

/** A client that tries again at once; closed before the server is. */
export function openClient(
  server: Pick<TestApp, "url" | "defer">,
  { protocol, httpVersion }: ClientLane,
  options: Partial<ChatClientOptions> = {},
): ChatClient {
  const retry = { delayMs: 5, delayMsMax: 50 };
  const client = createNodeChatClient({
    baseUrls: [server.url],
    protocol,
    httpVersion,
    retry,
    ...options,
  });
  server.defer(() => client.close());
  return client;
}

export type RelayedClient = {
  readonly client: ChatClient;
  readonly app: TestApp;
  readonly relay: Relay;
  readonly lane: ClientLane;
};

/** Runs a behaviour by each lane: a server of its own, and a client behind a wire that can be cut. */
export function overClientLanes(
  behaviour: string,
  options: TestAppOptions,
  check: (context: RelayedClient, t: TestContext) => Promise<void>,
): void {
  for (const each of clientLanes) {
    test(`${behaviour} (${each.name})`, { timeout: 30_000 }, async (t) => {
      const app = await startApp(t, options);
      const relay = await startRelay(app);
      await check({ app, relay, lane: each, client: openClient(relay.app, each) }, t);
    });
  }
}
