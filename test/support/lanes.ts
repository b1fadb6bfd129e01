import http from "node:http";
import https from "node:https";
import { type TestContext, test } from "node:test";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { ChatService } from "../../src/gen/chat/chat_pb.ts";
import { startApp, type TestApp, type TestAppOptions } from "./app.ts";
import { testCertificate } from "./certificate.ts";
import { seededShare } from "./seeded.ts";

/** One way over the wire: a protocol, its encoding, the HTTP version, plain or TLS. */
export type Lane = {
  readonly name: string;
  readonly protocol: "grpc" | "grpc-web" | "connect";
  readonly httpVersion: "1.1" | "2";
  readonly json: boolean;
  readonly tls: boolean;
};

type Way = Pick<Lane, "protocol" | "httpVersion" | "json">;

const ways: readonly Way[] = [
  { protocol: "grpc", httpVersion: "2", json: false },
  { protocol: "grpc-web", httpVersion: "1.1", json: false },
  { protocol: "grpc-web", httpVersion: "2", json: false },
  { protocol: "connect", httpVersion: "1.1", json: false },
  { protocol: "connect", httpVersion: "1.1", json: true },
  { protocol: "connect", httpVersion: "2", json: false },
  { protocol: "connect", httpVersion: "2", json: true },
];

/** Every lane that the server has. */
export const lanes: readonly Lane[] = [false, true].flatMap((tls) =>
  ways.map((way) => ({ ...way, tls, name: nameOf(way, tls) })),
);

/** Those that carry a stream of requests. */
export const bidiLanes = lanes.filter(
  ({ protocol, httpVersion }) => httpVersion === "2" && protocol !== "grpc-web",
);

/** One of each protocol, for what TLS and the HTTP version have no part in. */
export const plainLanes = lanes.filter(({ tls }) => !tls);

/** Those without JSON, for what the encoding has no part in either. */
export const binaryLanes = plainLanes.filter(({ json }) => !json);

function nameOf({ protocol, httpVersion, json }: Way, tls: boolean): string {
  const names = { grpc: "gRPC", "grpc-web": "gRPC-Web", connect: "Connect" };
  const encoding = json ? "JSON" : "protobuf";
  return `${names[protocol]}, ${encoding}, HTTP/${httpVersion}${tls ? " over TLS" : ""}`;
}

/** A client of the server by one lane, closed before the server is. */
export type LaneClient = {
  readonly chat: Client<typeof ChatService>;
  readonly transport: Transport;
  /** Cuts the connection, as a lost network does. */
  cut(): void;
};

export type LaneOptions = {
  sendCompression?: Compression;
  /** What the server may compress with; by default what the library can read. */
  acceptCompression?: Compression[];
  useHttpGet?: boolean;
};

/** A server in this process or in another. */
export type Served = Pick<TestApp, "url" | "tls" | "defer">;

/** Opens a connection of its own. */
export function connectLane(app: Served, lane: Lane, options: LaneOptions = {}): LaneClient {
  const connection = lane.httpVersion === "2" ? openHttp2(app) : openHttp1(app);
  const useBinaryFormat = !lane.json;
  const common = { baseUrl: app.url, useBinaryFormat, ...options };
  const transport = createTransport(lane, { ...common, ...connection.options });
  app.defer(connection.cut);
  return { transport, cut: connection.cut, chat: createClient(ChatService, transport) };
}

function createTransport(
  { protocol }: Lane,
  options: Parameters<typeof createConnectTransport>[0],
): Transport {
  if (protocol === "connect") return createConnectTransport(options);
  return (protocol === "grpc" ? createGrpcTransport : createGrpcWebTransport)(options as never);
}

function openHttp2(app: Served) {
  const sessionManager = new Http2SessionManager(
    app.url,
    {},
    app.tls ? { ca: testCertificate.cert } : {},
  );
  return {
    options: { httpVersion: "2" as const, sessionManager },
    cut: () => sessionManager.abort(),
  };
}

function openHttp1(app: Served) {
  const agent = new (app.tls ? https : http).Agent({ keepAlive: true });
  const nodeOptions = { agent, ...(app.tls && { ca: testCertificate.cert }) };
  return {
    options: { httpVersion: "1.1" as const, nodeOptions },
    cut: () => agent.destroy(),
  };
}

export type LaneContext = LaneClient & { readonly app: TestApp; readonly lane: Lane };

/** Runs a behaviour by each of the lanes (a third of them in a short run, and one of each protocol), each with a server of its own. */
export function overLanes(
  behaviour: string,
  chosen: readonly Lane[],
  options: Omit<TestAppOptions, "tls">,
  check: (context: LaneContext, t: TestContext) => Promise<void>,
): void {
  const third = Math.ceil(chosen.length / 3);
  for (const lane of seededShare(behaviour, chosen, third, ({ protocol }) => protocol)) {
    test(`${behaviour} (${lane.name})`, async (t) => {
      const app = await startApp(t, { ...options, tls: lane.tls });
      await check({ app, lane, ...connectLane(app, lane) }, t);
    });
  }
}
