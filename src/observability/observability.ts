import type { FastifyBaseLogger } from "fastify";
import { Registry } from "prom-client";
import type { ModelCatalog } from "../chat/model-catalog.ts";
import type { EngineObserver, RunObserver } from "../chat/observer.ts";
import type { CallObserver, CallRecord } from "../service/interceptors/measure-calls.ts";
import type { UnexpectedError } from "../service/interceptors/translate-errors.ts";
import { logCalls, logUnexpected } from "./call-log.ts";
import { measureCalls } from "./call-metrics.ts";
import { observeCallSpans } from "./call-spans.ts";
import { createMetricsPage, type MetricsPage } from "./metrics.ts";
import { createModelNames } from "./model-names.ts";
import { type MetricSources, registerServer } from "./server-metrics.ts";
import { type MeasuredStorage, measureStorage } from "./storage-metrics.ts";
import { openTracing } from "./tracing.ts";
import { logTurns } from "./turn-log.ts";
import { createTurnMetrics } from "./turn-metrics.ts";
import { createTurnSpans } from "./turn-spans.ts";

export type ObservabilityOptions = {
  log: FastifyBaseLogger;
  models: ModelCatalog;
  /** What users and models say may be logged and traced (LOG_CONTENT). */
  logContent: boolean;
  /** Where traces go; undefined: nowhere. */
  otlpEndpoint: string | undefined;
  /** Milliseconds since 1970 UTC. */
  now: () => number;
  sources: MetricSources;
  /** Told of each call, too. */
  callObservers: readonly CallObserver[];
};

/** All that operators see of a server: its log lines, its metrics, its traces. */
export interface Observability {
  /** For the service. */
  readonly calls: CallObserver;
  /** For the engine. */
  readonly turns: EngineObserver;
  readonly page: MetricsPage;
  /** The storage to give to the engine, timed. `readerLag`: events that the slowest reader has still to take. */
  measure(storage: MeasuredStorage, readerLag: () => number): MeasuredStorage;
  onUnexpectedError(error: UnexpectedError): void;
  /** Sends the spans that are left; takes 2 s at the most. */
  close(): Promise<void>;
}

/** Puts together what watches the server; see docs/metrics.md and docs/logs-and-traces.md. */
export async function openObservability(options: ObservabilityOptions): Promise<Observability> {
  const { log, models, logContent, otlpEndpoint: endpoint, now, sources } = options;
  const registry = new Registry();
  const names = createModelNames(models);
  const { tracer, close } = await openTracing({
    endpoint,
    onFailure: (err) => log.warn({ err }, "traces cannot be sent to OTEL_EXPORTER_OTLP_ENDPOINT"),
  });
  registerServer(registry, sources);
  const metrics = createTurnMetrics({ registry, names, now });
  const lines = logTurns({ log, logContent });
  const { providerOf } = names;
  const startSpan = createTurnSpans({ tracer, providerOf, logContent, now });
  return {
    calls: allCalls(observeCallSpans(tracer), [
      measureCalls(registry),
      logCalls(log),
      ...options.callObservers,
    ]),
    turns: {
      ...lines,
      turnStarted: (turn) => bothRuns(startSpan(turn), metrics.turnStarted(turn)),
      turnEnded(turn, end) {
        metrics.turnEnded(end);
        lines.turnEnded(turn, end);
      },
      turnRefused: metrics.turnRefused,
    },
    page: createMetricsPage(registry),
    measure: (storage, readerLag) => measureStorage(registry, storage, readerLag),
    onUnexpectedError: logUnexpected(log),
    close,
  };
}

/** The span comes first: what it is called is what the others are told. */
function allCalls(spans: CallObserver, others: readonly CallObserver[]): CallObserver {
  return {
    began(call) {
      const span = spans.began(call);
      const { traceParent } = span;
      const records: CallRecord[] = [span];
      for (const other of others) records.push(other.began({ ...call, traceParent }));
      return {
        traceParent,
        ended(end) {
          for (const record of records) record.ended(end);
        },
      };
    },
  };
}

function bothRuns(span: RunObserver, metrics: RunObserver): RunObserver {
  return {
    traceParent: span.traceParent,
    firstChunk(elapsedMs) {
      span.firstChunk(elapsedMs);
      metrics.firstChunk(elapsedMs);
    },
    // A span tells of no chunk but the first.
    nextChunk: metrics.nextChunk,
    ended(end) {
      span.ended(end);
      metrics.ended(end);
    },
  };
}
