import type { Tracer } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import { version } from "../version.ts";

// The SDK is heavy, and loaded only where somebody has set an endpoint: tracing.ts imports this file then, and
// no other file imports the SDK.

export type ExportOptions = { endpoint: string; onFailure: (error: Error) => void };

/** Spans wait for their batch, in memory; past this many further ones are lost. */
const queueSizeMax = 16_384;
/** About 3 ms of the event loop. */
const batchSizeMax = 512;
const batchDelayMs = 2_000;
/** For one batch, its retries included. */
const exportTimeoutMs = 5_000;

/**
 * A tracer whose spans go to `<endpoint>/v1/traces` as protobuf over HTTP, in batches. Headers for the collector are
 * taken from OTEL_EXPORTER_OTLP_HEADERS. Where the caller's trace says that it is not sampled, nothing is sent.
 */
export function createExport(options: ExportOptions): {
  tracer: Tracer;
  shutdown: () => Promise<void>;
} {
  const url = `${options.endpoint.replace(/\/+$/, "")}/v1/traces`;
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: exportTimeoutMs });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": "chatwire", "service.version": version }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: tellFailures(exporter, options.onFailure),
        maxQueueSize: queueSizeMax,
        maxExportBatchSize: batchSizeMax,
        scheduledDelayMillis: batchDelayMs,
        exportTimeoutMillis: exportTimeoutMs,
      }),
    ],
  });
  return { tracer: provider.getTracer("chatwire", version), shutdown: () => provider.shutdown() };
}

/** Tells the first failure, and the next one after a success. */
function tellFailures(exporter: SpanExporter, onFailure: (error: Error) => void): SpanExporter {
  let isFailing = false;
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const { error } = result;
        if (error !== undefined && !isFailing) onFailure(error);
        isFailing = error !== undefined;
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  };
}
