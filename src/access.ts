import { isIP } from "node:net";
import { cors as connectCors } from "@connectrpc/connect";
import cors from "@fastify/cors";
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from "fastify";
import type { Authenticator } from "./auth/authenticator.ts";
import { createAuthenticator } from "./auth/create-authenticator.ts";
import { KeyFileError } from "./auth/key-list.ts";
import { type Caller, localCaller, sharedCaller } from "./chat/caller.ts";
import { systemClock } from "./chat/clock.ts";
import { ChatError } from "./chat/errors.ts";
import { isLoopback } from "./config/loopback.ts";
import { type Config, ConfigError } from "./config.ts";
import { peerOf as connectionOf } from "./listener/peer.ts";
import { createRequestGuard, isLoopbackHost, requestFacts } from "./listener/request-guard.ts";
import { guardAccess } from "./service/access.ts";
import { type AuthRefusal, causeOf, identify, type Peer, scopeMissing } from "./service/gate.ts";
import type { RecordRefusal } from "./service/refused-calls.ts";

/**
 * Who tells callers apart, by the configuration. Throws ConfigError where the file of keys or the issuer's URL
 * cannot be used.
 */
export async function openAuthenticator(
  config: Config,
  log: FastifyBaseLogger,
): Promise<Authenticator> {
  const { keysFile, jwt, certificates = false } = config.auth ?? {};
  try {
    return await createAuthenticator({
      keysFile,
      jwt: jwt && { ...jwt, fetch: await loadProxyFetch() },
      certificates,
      anonymous: anonymousCaller(config),
      now: systemClock.now,
      onProblem: (message) => log.warn(message),
      onKeysReload: (keys) => log.info({ keys }, "AUTH_KEYS_FILE was read again"),
    });
  } catch (error) {
    if (error instanceof KeyFileError) {
      throw new ConfigError(error.problems.map((problem) => `AUTH_KEYS_FILE: ${problem}`));
    }
    throw new ConfigError([(error as Error).message]);
  }
}

/** Loaded where an issuer is asked for its keys. */
async function loadProxyFetch() {
  const { createProxyFetch } = await import("./model/proxy-fetch.ts");
  return createProxyFetch();
}

/** Who a caller without credentials is; undefined where there is none. */
function anonymousCaller({ auth, allowAnonymous, host }: Config): Caller | undefined {
  if (auth) return allowAnonymous ? sharedCaller("") : undefined;
  return isLoopback(host) ? localCaller : sharedCaller("");
}

/** Logs refused credentials: what was wrong is for the operator alone, and the credential for nobody. */
export function logRefusals(log: Pick<FastifyBaseLogger, "info">): (refusal: AuthRefusal) => void {
  return (refusal) => log.info(refusal, "a caller was refused: no valid credential");
}

/** Who may see /metrics: who has the scope, and whoever is on this machine where nobody shows who they are. */
export function createMetricsAccess(
  config: Config,
  authenticator: Authenticator,
  onRefused: (refusal: AuthRefusal) => void,
) {
  return async (request: FastifyRequest): Promise<void> => {
    const peer = peerOf(request);
    // Without authentication there are no scopes; who is on this machine is trusted.
    if (!config.auth && isLoopback(peer.address) && !peer.isFromElsewhere) return;
    try {
      const { scopes } = await identify(authenticator, request.headers.authorization, peer);
      if (!scopes.has("metrics")) throw scopeMissing("metrics");
    } catch (error) {
      if (error instanceof ChatError && error.kind === "unauthenticated") {
        const { address } = peer;
        onRefused({ path: "/metrics", requestId: request.id, address, cause: causeOf(error) });
      }
      throw error;
    }
  };
}

/** Refuses requests whose Host or Origin is not ours, before anything of them is read. */
export function guardRequests(
  fastify: FastifyInstance,
  config: Config,
  onRefused: RecordRefusal,
): void {
  const guard = createRequestGuard({
    allowedHosts: config.allowedHosts,
    corsOrigins: config.corsOrigins,
    anonymousLoopback: isLoopback(config.host),
  });
  guardAccess(fastify, (request) => guard(requestFacts(request)), onRefused);
}

/** What is known of where a request comes from. */
export function peerOf(request: FastifyRequest): Peer {
  const { headers } = request.raw;
  const { address, certificate } = connectionOf(request.raw);
  const isForwarded = proxyHeaders.some((name) => headers[name] !== undefined);
  return {
    // What proxies say of a connection that is gone cannot be judged any more.
    address: address === undefined ? "" : addressIn(request.ip) || address,
    certificate: certificate && {
      name: certificate.subject,
      fingerprint: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
      validUntil: certificate.validUntil,
    },
    isFromElsewhere: isForwarded || !isLoopbackHost(nameOf(request.hostname)),
  };
}

/** The address in an entry of X-Forwarded-For, to which some proxies add the port; empty where there is none. */
function addressIn(entry: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$/.exec(entry) ?? [];
  const address = bracketed ?? plain ?? entry;
  return isIP(address) === 0 ? "" : address;
}

/** What proxies add: whoever is behind one is not on this machine. */
const proxyHeaders = [
  "cf-connecting-ip",
  "forwarded",
  "true-client-ip",
  "via",
  "x-client-ip",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
];

/** A Host header's name as the guard compares names: without brackets and the last dot, in lower case. */
function nameOf(hostname: string): string {
  return hostname
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "")
    .toLowerCase();
}

/** Lets pages of these origins call us; without any, browsers keep to our own pages. */
export async function allowOrigins(
  fastify: FastifyInstance,
  origins: readonly string[],
): Promise<void> {
  if (origins.length === 0) return;
  const trailers = chatTrailers.map((name) => `trailer-${name}`);
  await fastify.register(cors, {
    origin: [...origins],
    methods: [...connectCors.allowedMethods],
    allowedHeaders: [...connectCors.allowedHeaders, "authorization"],
    exposedHeaders: [...connectCors.exposedHeaders, ...chatHeaders, ...trailers],
    maxAge: 7_200,
  });
}

const chatHeaders = [
  "chat-session-id",
  "chat-model",
  "chat-heartbeat-ms",
  "retry-after",
  "grpc-retry-pushback-ms",
];
const chatTrailers = [
  "chat-turns",
  "chat-total-chunks",
  "chat-processing-time-ms",
  "chat-input-tokens",
  "chat-output-tokens",
  "chat-finish-reason",
];
