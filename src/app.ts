import { readFileSync } from "node:fs";
import { cors as connectCors } from "@connectrpc/connect";
import cors from "@fastify/cors";
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import { newId, systemClock } from "./chat/clock.ts";
import { createEngine, type Engine } from "./chat/engine.ts";
import type { EngineObserver } from "./chat/engine-context.ts";
import { ChatError } from "./chat/errors.ts";
import { limits } from "./chat/limits.ts";
import type { ModelProvider } from "./chat/model.ts";
import { createModelCatalog } from "./chat/model-catalog.ts";
import { isLoopback } from "./config/loopback.ts";
import type { Config } from "./config.ts";
import { createListener, type Listener } from "./listener/listener.ts";
import type { ListenerTimeouts } from "./listener/options.ts";
import { createRequestGuard, requestFacts } from "./listener/request-guard.ts";
import { createElizaProvider } from "./model/eliza.ts";
import { createGeminiProvider } from "./model/gemini.ts";
import { createScriptedProvider } from "./model/scripted.ts";
import { answerUnknownPaths, guardAccess } from "./service/access.ts";
import { toConnectError } from "./service/convert-errors.ts";
import type { UnexpectedError } from "./service/interceptors/translate-errors.ts";
import { createMetrics, type Metrics } from "./service/metrics.ts";
import { createOpenCalls } from "./service/open-calls.ts";
import { mountPages } from "./service/pages.ts";
import { isOpenEnded, mountServices } from "./service/services.ts";
import { openStorage, type Storage } from "./storage.ts";

/** What tests put in the place of what the configuration asks for. */
export type AppOverrides = {
  storage?: Storage;
  /** Beside those of the configuration. */
  providers?: readonly ModelProvider[];
  logger?: FastifyBaseLogger;
  listenerTimeouts?: Partial<ListenerTimeouts>;
};

/** The server, put together and not yet listening. */
export interface App {
  /** Rejects with a ListenError when the port cannot be had; `close` is still to be called then. */
  listen(): Promise<{ urls: string[]; port: number }>;
  /**
   * Drains and closes: health says NOT_SERVING, no turn starts, running ones get DRAIN_TIMEOUT_MS, then every
   * stream ends UNAVAILABLE and all that was opened is released. Repeating it waits for the first.
   */
  close(): Promise<void>;
  /** Asks each provider once whether it accepts us, and logs the answers. Never rejects. */
  checkProviders(signal: AbortSignal): Promise<void>;
  readonly engine: Engine;
  readonly connections: Listener["connections"];
}

/** How long, past the drain, calls are given to deliver their turns' ends, and then to take in that they are over. */
const farewellMs = 1_000;

/** Puts the server together from its configuration and ends what a crash left behind. */
export async function buildApp(config: Config, overrides: AppOverrides = {}): Promise<App> {
  const fastify = Fastify({
    ...(overrides.logger
      ? { loggerInstance: overrides.logger }
      : { logger: { level: config.logLevel, stream: process.stderr } }),
    logController: new LogController({ disableRequestLogging: true }),
    // Turns have their own bounds; Fastify's would cut streams.
    requestTimeout: 0,
  });
  const scripted = config.scriptedModel ? createScriptedProvider() : undefined;
  const providers = [
    ...createProviders(config, fastify.log),
    ...(scripted ? [scripted] : []),
    ...(overrides.providers ?? []),
  ];
  const models = createModelCatalog({
    providers,
    defaultModel: config.defaultModel,
    aliases: config.modelAliases,
  });
  const storage = overrides.storage ?? (await openStorage(config));
  const openCalls = createOpenCalls();
  const metrics: Metrics = createMetrics({
    openCalls,
    runningTurns: () => engine.runningTurns(),
    ...(scripted && { scripted: scripted.counters }),
  });
  const engine = createEngine({
    ...storage,
    models,
    clock: systemClock,
    newId,
    timeouts: config,
    runningTurnsMax: config.runningTurnsMax,
    queuedTurnsMax: config.queuedTurnsMax,
    disconnectGraceMs: config.disconnectGraceMs,
    watchersMax: limits.watchersMax,
    owner: `pid ${process.pid}`,
    observer: createObserver(fastify.log, metrics),
  });
  await engine.recover();

  const stopping = new AbortController();
  const shutdown = new AbortController();
  guardRequests(fastify, config);
  await allowOrigins(fastify, config.corsOrigins);
  answerUnknownPaths(fastify);
  const checkReady = async () => {
    if (engine.isDraining()) throw new Error("the server is about to stop");
    await storage.store.check();
  };
  await mountPages(fastify, { metrics, checkReady });
  const health = await mountServices(fastify, {
    engine,
    models,
    messageBytesMax: config.messageBytesMax,
    heartbeatMs: config.heartbeatMs,
    trustStreamReset: config.trustStreamReset,
    now: systemClock.now,
    activeStreams: () => openCalls.count(chatRpcs),
    calls: metrics.calls,
    onUnexpectedError: (unexpected) => logUnexpected(fastify.log, unexpected),
    stopping: stopping.signal,
    shutdownSignal: shutdown.signal,
  });
  await fastify.ready();

  const listener = createListener({
    handler: (request, response) => fastify.routing(request as never, response as never),
    isOpenEnded,
    limits: pickLimits(config),
    log: fastify.log,
    ...(config.tls && { tls: readTls(config.tls) }),
    ...(overrides.listenerTimeouts && { timeouts: overrides.listenerTimeouts }),
  });

  const close = async () => {
    health.setAllServing(false);
    engine.drain();
    listener.drain();
    await engine.close(config.drainTimeoutMs);
    // Every turn has its end; its readers are told of it before their calls are ended.
    const stopped = toConnectError(serverStopped());
    stopping.abort(stopped);
    await openCalls.noneWithin(chatRpcs, farewellMs);
    shutdown.abort(stopped);
    await listener.close({ graceMs: farewellMs });
    await fastify.close();
    await storage.close();
  };
  let closing: Promise<void> | undefined;
  return {
    async listen() {
      const at = await listener.listen({ host: config.host, port: config.port });
      await storage.setUrl(at.urls[0] ?? "");
      return at;
    },
    close: () => (closing ??= close()),
    async checkProviders(signal) {
      await Promise.all(providers.map((provider) => checkProvider(provider, signal, fastify.log)));
    },
    engine,
    connections: listener.connections,
  };
}

/** The calls that stream a chat, or wait for a reply. */
const chatRpcs = ["Chat", "StreamChat", "SendMessage"].map((name) => `chat.ChatService/${name}`);

function createProviders(config: Config, log: FastifyBaseLogger): ModelProvider[] {
  const eliza = createElizaProvider({ wordsPerSecond: config.elizaWordsPerSecond });
  if (!config.gemini) return [eliza];
  const { access, baseUrl, models } = config.gemini;
  const gemini = createGeminiProvider({
    ...(access.type === "key" ? { apiKey: access.apiKey } : { vertex: access }),
    baseUrl,
    models,
    log: (message, details) => log.warn(details, message),
  });
  return [gemini, eliza];
}

async function checkProvider(
  provider: ModelProvider,
  signal: AbortSignal,
  log: FastifyBaseLogger,
): Promise<void> {
  const check = await provider.check?.(signal);
  if (!check || signal.aborted) return;
  const { outcome, detail } = check;
  if (outcome === "accepted") log.info(`${provider.name} accepted: ${detail}`);
  else log.warn(`${provider.name} ${outcome}: ${detail}. ${check.advice}`);
}

function createObserver(log: FastifyBaseLogger, metrics: Metrics): EngineObserver {
  return {
    turnEnded(turn, end) {
      metrics.turnEnded(end.model, end.finishReason);
      const { turnId, sessionId, model, finishReason, totalChunks, processingMs, firstChunkMs } =
        end;
      const timing = { totalChunks, processingMs, firstChunkMs };
      const { principal } = turn;
      const failure = end.error && { reason: end.error.reason };
      log.info(
        { turnId, sessionId, principal, model, finishReason, ...timing, ...failure },
        "turn ended",
      );
    },
    turnFailed(turn, error) {
      // What a provider does wrong is told with the turn's end; a fault of ours needs its cause.
      const expected = error instanceof ChatError && error.kind !== "internal";
      const { turnId, sessionId } = turn;
      log[expected ? "debug" : "error"]({ turnId, sessionId, err: error }, "turn failed");
    },
  };
}

function logUnexpected(log: FastifyBaseLogger, { rpc, requestId, error }: UnexpectedError): void {
  log.error({ rpc, requestId, err: error }, "call failed unexpectedly");
}

function guardRequests(fastify: FastifyInstance, config: Config): void {
  const guard = createRequestGuard({
    allowedHosts: config.allowedHosts,
    corsOrigins: config.corsOrigins,
    anonymousLoopback: isLoopback(config.host),
  });
  guardAccess(fastify, (request) => guard(requestFacts(request)));
}

/** Lets pages of these origins call us; without any, browsers keep to our own pages. */
async function allowOrigins(fastify: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  const trailers = chatTrailers.map((name) => `trailer-${name}`);
  await fastify.register(cors, {
    origin: [...origins],
    methods: [...connectCors.allowedMethods],
    allowedHeaders: [...connectCors.allowedHeaders],
    exposedHeaders: [...connectCors.exposedHeaders, ...chatHeaders, ...trailers],
    maxAge: 7_200,
  });
}

const chatHeaders = ["chat-session-id", "chat-model", "chat-heartbeat-ms"];
const chatTrailers = [
  "chat-turns",
  "chat-total-chunks",
  "chat-processing-time-ms",
  "chat-input-tokens",
  "chat-output-tokens",
  "chat-finish-reason",
];

function pickLimits({ connectionsMax, connectionStreamsMax }: Config) {
  return { connectionsMax, connectionStreamsMax };
}

function readTls({ certFile, keyFile }: { certFile: string; keyFile: string }) {
  return { cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

function serverStopped(): ChatError {
  return new ChatError("unavailable", "SERVER_STOPPED", "the server is stopping", {
    retryable: true,
    retryAfterMs: 1_000,
  });
}
