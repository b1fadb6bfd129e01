import Fastify, { type FastifyBaseLogger, LogController } from "fastify";
import {
  allowOrigins,
  createMetricsAccess,
  guardRequests,
  logRefusals,
  openAuthenticator,
  peerOf,
} from "./access.ts";
import { createAdmission, serverBusy } from "./admission/admission.ts";
import { createEventLoopMeter, judgeLoad } from "./admission/load.ts";
import { createTurnRate } from "./admission/turn-rate.ts";
import { newId, systemClock } from "./chat/clock.ts";
import { createEngine, type Engine } from "./chat/engine.ts";
import { ChatError } from "./chat/errors.ts";
import { limits } from "./chat/limits.ts";
import type { ModelProvider } from "./chat/model.ts";
import { createModelCatalog } from "./chat/model-catalog.ts";
import type { Config } from "./config.ts";
import { createListener, type Listener } from "./listener/listener.ts";
import type { ListenerTimeouts } from "./listener/options.ts";
import { readTlsFiles, watchTlsFiles } from "./listener/tls-files.ts";
import { createElizaProvider } from "./model/eliza.ts";
import { createScriptedProvider } from "./model/scripted.ts";
import { type LogStream, loggerOptions } from "./observability/logger.ts";
import { openObservability } from "./observability/observability.ts";
import { answerUnknownPath, answerUnknownPaths } from "./service/access.ts";
import { endAnsweredEarly } from "./service/answered-early.ts";
import { toConnectError } from "./service/convert-errors.ts";
import { createCredentialWatch } from "./service/credential-watch.ts";
import { createOpenCalls } from "./service/open-calls.ts";
import { mountPages } from "./service/pages.ts";
import { createPublicStreams } from "./service/public-streams.ts";
import { createRefusalRecorder } from "./service/refused-calls.ts";
import { lowerContentType } from "./service/request-headers.ts";
import { setAnswerHeaders } from "./service/response-headers.ts";
import { isOpenEnded, mountServices } from "./service/services.ts";
import { watchStorageHealth } from "./service/storage-health.ts";
import { createStreamCounts } from "./service/stream-counts.ts";
import { openStorage, type Storage } from "./storage.ts";

/** What tests put in the place of what the configuration asks for. */
export type AppOverrides = {
  storage?: Storage;
  /** Beside those of the configuration. */
  providers?: readonly ModelProvider[];
  /** In the place of the log on stderr. */
  logger?: FastifyBaseLogger;
  /** Where the lines of the log go; by default to stderr. */
  logStream?: LogStream;
  listenerTimeouts?: Partial<ListenerTimeouts>;
  /** How often open streams are asked whether their credential is still good, milliseconds. */
  credentialCheckMs?: number;
  /** How often health looks at the storage, milliseconds. */
  storageCheckMs?: number;
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
  /**
   * Ends every open call UNAVAILABLE, where `close` waits for turns; resolves when their callers are told, at the
   * latest in a moment. The process is to end then: the next start ends what ran. Never rejects.
   */
  abandon(): Promise<void>;
  /** Looks at the TLS files now, as SIGHUP asks; without it they are looked at every 10 s. Never rejects. */
  reloadTls(): Promise<void>;
  /** Asks each provider once whether it accepts us, and logs the answers. Never rejects. */
  checkProviders(signal: AbortSignal): Promise<void>;
  readonly engine: Engine;
  readonly connections: Listener["connections"];
}

/** How long, past the drain, calls are given to deliver their turns' ends, and then to take in that they are over. */
const farewellMs = 1_000;
/** How long calls that are abandoned are given to tell it. */
const abandonMs = 200;

/** Puts the server together from its configuration and ends what a crash left behind. */
export async function buildApp(config: Config, overrides: AppOverrides = {}): Promise<App> {
  const fastify = Fastify({
    ...(overrides.logger
      ? { loggerInstance: overrides.logger }
      : {
          logger: loggerOptions({
            ...loggingOf(config),
            stream: overrides.logStream ?? process.stderr,
          }),
        }),
    logController: new LogController({ disableRequestLogging: true }),
    frameworkErrors: (_error, request, reply) =>
      void answerUnknownPath(request, reply, onRefusedCall),
    // Turns have their own bounds; Fastify's would cut streams.
    requestTimeout: 0,
    trustProxy: [...config.trustedProxies],
  });
  const scripted = config.scriptedModel ? createScriptedProvider() : undefined;
  const providers = [
    ...(await createProviders(config, fastify.log)),
    ...(scripted ? [scripted] : []),
    ...(overrides.providers ?? []),
  ];
  const models = createModelCatalog({
    providers,
    defaultModel: config.defaultModel,
    aliases: config.modelAliases,
  });
  const authenticator = await openAuthenticator(config, fastify.log);
  const storage = overrides.storage ?? (await openStorage(config));
  const openCalls = createOpenCalls();
  const eventLoop = createEventLoopMeter();
  const streams = createStreamCounts();
  const credentials = createCredentialWatch({ everyMs: overrides.credentialCheckMs });
  const load = () =>
    judgeLoad({
      openStreams: streams.count,
      streamsMax: config.streamsMax,
      eventLoopDelayMaxMs: config.eventLoopDelayShedMs,
      eventLoopDelayMs: eventLoop.meanMs,
    });
  const admitStream = () => {
    if (load() === "no_streams") throw serverBusy("new streams");
  };
  const admitPublicStream = createPublicStreams({
    streamsMax: config.streamsMax,
    busy: () => serverBusy("new streams"),
  });
  const observability = await openObservability({
    log: fastify.log,
    models,
    logContent: config.logContent,
    otlpEndpoint: config.otlpEndpoint,
    now: systemClock.now,
    sources: {
      runningTurns: () => engine.runningTurns(),
      queuedTurns: () => engine.queuedTurns(),
      liveSessions: () => engine.liveSessions(),
      isDraining: () => engine.isDraining(),
      connections: () => listener.connections(),
      scripted: scripted?.counters,
    },
    callObservers: [openCalls],
  });
  const onRefusedCall = createRefusalRecorder(observability.calls, peerOf);
  const { store, log } = observability.measure(storage, storage.readerLag ?? (() => 0));
  const engine = createEngine({
    store,
    log,
    models,
    clock: systemClock,
    newId,
    timeouts: config,
    runningTurnsMax: config.runningTurnsMax,
    queuedTurnsMax: config.queuedTurnsMax,
    disconnectGraceMs: config.disconnectGraceMs,
    sessionTtlMs: config.sessionTtlMs,
    watchersMax: limits.watchersMax,
    admission: createAdmission({ load, rate: createTurnRate() }),
    owner: `pid ${process.pid}`,
    observer: observability.turns,
  });
  await engine.recover();

  const stopping = new AbortController();
  const shutdown = new AbortController();
  setAnswerHeaders(fastify);
  lowerContentType(fastify);
  endAnsweredEarly(fastify);
  guardRequests(fastify, config, onRefusedCall);
  await allowOrigins(fastify, config.corsOrigins);
  answerUnknownPaths(fastify, onRefusedCall);
  const checkReady = async () => {
    if (engine.isDraining()) throw new Error("the server is about to stop");
    await storage.store.check();
  };
  const onRefused = logRefusals(fastify.log);
  const allowMetrics = createMetricsAccess(config, authenticator, onRefused);
  await mountPages(fastify, { metrics: observability.page, checkReady, allowMetrics });
  const health = await mountServices(fastify, {
    engine,
    models,
    messageBytesMax: config.messageBytesMax,
    heartbeatMs: config.heartbeatMs,
    trustStreamReset: config.trustStreamReset,
    gate: {
      authenticator,
      onRefused,
      limits: config.callerLimits,
      credentials,
      streams,
      admitPublicStream,
    },
    peerOf,
    onRefusedCall,
    admitStream,
    now: systemClock.now,
    activeStreams: streams.count,
    checkStorage: () => storage.store.check(),
    calls: observability.calls,
    onUnexpectedError: observability.onUnexpectedError,
    stopping: stopping.signal,
    shutdownSignal: shutdown.signal,
  });
  await fastify.ready();

  const unwatchStorage = watchStorageHealth({
    check: () => storage.store.check(),
    health,
    isDraining: engine.isDraining,
    onChange(err) {
      if (err === undefined) fastify.log.info("the storage takes writes again");
      else fastify.log.error({ err }, "the storage fails: health says NOT_SERVING");
    },
    ...(overrides.storageCheckMs !== undefined && { everyMs: overrides.storageCheckMs }),
  });
  const tls = config.tls && readTlsFiles(config.tls);
  const listener = createListener({
    handler: (request, response) => fastify.routing(request as never, response as never),
    isOpenEnded,
    limits: pickLimits(config),
    log: fastify.log,
    ...(tls && { tls }),
    ...(overrides.listenerTimeouts && { timeouts: overrides.listenerTimeouts }),
  });

  const tlsWatch =
    config.tls &&
    tls &&
    watchTlsFiles({ paths: config.tls, current: tls, apply: listener.setTls, log: fastify.log });

  const close = async () => {
    tlsWatch?.close();
    unwatchStorage();
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
    authenticator.close();
    credentials.close();
    eventLoop.close();
    await fastify.close();
    await storage.close();
    await observability.close();
  };
  let closing: Promise<void> | undefined;
  return {
    async listen() {
      const at = await listener.listen({ host: config.host, port: config.port });
      await storage.setUrl(at.urls[0] ?? "");
      return at;
    },
    close: () => (closing ??= close()),
    async abandon() {
      shutdown.abort(toConnectError(serverStopped()));
      await listener.close({ graceMs: abandonMs });
    },
    reloadTls: async () => tlsWatch?.reload(),
    async checkProviders(signal) {
      await Promise.all(providers.map((provider) => checkProvider(provider, signal, fastify.log)));
    },
    engine,
    connections: listener.connections,
  };
}

/** The calls that stream a chat, or wait for a reply. */
const chatRpcs = ["Chat", "StreamChat", "SendMessage"].map((name) => `chat.ChatService/${name}`);

/** The models that the configuration offers, without the scripted ones. A provider's library is loaded where it is used. */
export async function createProviders(
  config: Config,
  log: Pick<FastifyBaseLogger, "warn">,
): Promise<ModelProvider[]> {
  const eliza = createElizaProvider({ wordsPerSecond: config.elizaWordsPerSecond });
  if (!config.gemini) return [eliza];
  const { createGeminiProvider } = await import("./model/gemini.ts");
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

/** What the log may hold. */
function loggingOf({ logLevel, logContent, gemini }: Config) {
  const secrets = gemini?.access.type === "key" ? [gemini.access.apiKey] : [];
  return { level: logLevel, logContent, secrets };
}

function pickLimits({ connectionsMax, connectionStreamsMax, connectionAgeMaxMs }: Config) {
  return { connectionsMax, connectionStreamsMax, connectionAgeMaxMs };
}

function serverStopped(): ChatError {
  return new ChatError("unavailable", "SERVER_STOPPED", "the server is stopping", {
    retryable: true,
    retryAfterMs: 1_000,
  });
}
