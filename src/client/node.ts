import * as http from "node:http";
import * as https from "node:https";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { type ChatClient, createChatClient } from "./client.ts";
import type { Endpoint } from "./endpoints.ts";
import type { ChatClientOptions } from "./options.ts";

/** How Node talks to one server. */
export type NodeEndpointOptions = {
  /** http: or https:, with the path that the service is mounted under, if any. */
  baseUrl: string;
  /** Default grpc. */
  protocol?: "grpc" | "grpc-web" | "connect";
  /** What grpc-web and connect run on; grpc is always on HTTP/2. Default 2. */
  httpVersion?: "1.1" | "2";
  /** Of a connection with open calls, how often its peer is asked for a sign of life. Default 20,000. */
  pingIntervalMs?: number;
  /** How long it may take to give one; then the connection is dead. Default 10,000. */
  pingTimeoutMs?: number;
  /** Ask also while no call is open. Default false. */
  pingIdleConnection?: boolean;
  /** Trust, client certificate and the like, as node:tls takes them. */
  tls?: Pick<https.AgentOptions, "ca" | "cert" | "key" | "servername" | "rejectUnauthorized">;
  /** The largest message to take, bytes. Default 16 MiB. */
  readMaxBytes?: number;
};

const readMaxBytesDefault = 16 * 1024 * 1024;

/**
 * An endpoint for Node. HTTP/2 connections are kept by PINGs, so that a dead peer is noticed within
 * pingIntervalMs + pingTimeoutMs even where a call is silent.
 */
export function createNodeEndpoint(options: NodeEndpointOptions): Endpoint {
  const { protocol = "grpc", httpVersion = "2" } = options;
  return protocol === "grpc" || httpVersion === "2"
    ? overHttp2(options, protocol)
    : overHttp1(options, protocol);
}

/** A chat client for Node, over one endpoint for each base URL. */
export function createNodeChatClient({
  baseUrls,
  ...options
}: Omit<ChatClientOptions, "endpoints"> &
  Omit<NodeEndpointOptions, "baseUrl"> & { baseUrls: readonly string[] }): ChatClient {
  const endpoints = baseUrls.map((baseUrl) => createNodeEndpoint({ ...options, baseUrl }));
  return createChatClient({ ...options, endpoints });
}

type Protocol = NonNullable<NodeEndpointOptions["protocol"]>;

function overHttp2(options: NodeEndpointOptions, protocol: Protocol): Endpoint {
  const { baseUrl, tls, readMaxBytes = readMaxBytesDefault } = options;
  const { pingIntervalMs = 20_000, pingTimeoutMs = 10_000, pingIdleConnection = false } = options;
  const pings = { pingIntervalMs, pingTimeoutMs, pingIdleConnection };
  const sessionManager = new Http2SessionManager(baseUrl, pings, tls);
  const shared = { baseUrl, sessionManager, readMaxBytes };
  const create = {
    grpc: () => createGrpcTransport(shared),
    "grpc-web": () => createGrpcWebTransport({ ...shared, httpVersion: "2" }),
    connect: () => createConnectTransport({ ...shared, httpVersion: "2" }),
  };
  return { name: baseUrl, transport: create[protocol](), close: () => sessionManager.abort() };
}

function overHttp1(
  { baseUrl, tls, readMaxBytes = readMaxBytesDefault }: NodeEndpointOptions,
  protocol: Exclude<Protocol, "grpc">,
): Endpoint {
  const agent = baseUrl.startsWith("https:")
    ? new https.Agent({ ...tls, keepAlive: true })
    : new http.Agent({ keepAlive: true });
  const shared = { baseUrl, httpVersion: "1.1", nodeOptions: { agent }, readMaxBytes } as const;
  const transport =
    protocol === "connect" ? createConnectTransport(shared) : createGrpcWebTransport(shared);
  return { name: baseUrl, transport, close: () => agent.destroy() };
}
