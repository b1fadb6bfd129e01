import { type Tracer, trace } from "@opentelemetry/api";
import { version } from "../version.ts";

/** Where spans are made, and what ends it. */
export type Tracing = {
  tracer: Tracer;
  /** Sends what is left, for at most `flushTimeoutMs`, and releases the connection. Never rejects. */
  close(): Promise<void>;
};

export type TracingOptions = {
  /** Where the collector listens, such as http://localhost:4318; undefined: nothing is sent. */
  endpoint: string | undefined;
  /** Told once each time that the collector stops taking spans. */
  onFailure: (error: Error) => void;
};

/** How long `close` waits for the collector. */
export const flushTimeoutMs = 2_000;

/**
 * Sends spans to a collector by OTLP. Without an endpoint no part of the SDK is loaded, and spans cost next to
 * nothing: they are OpenTelemetry's own no-ops, which hand a caller's trace on to the provider.
 */
export async function openTracing({ endpoint, onFailure }: TracingOptions): Promise<Tracing> {
  if (endpoint === undefined) {
    return { tracer: trace.getTracer("chatwire", version), close: async () => undefined };
  }
  const { createExport } = await import("./otlp.ts");
  const { tracer, shutdown } = createExport({ endpoint, onFailure });
  return {
    tracer,
    async close() {
      const { promise: tooLong, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, flushTimeoutMs);
      await Promise.race([shutdown().catch(() => undefined), tooLong]);
      clearTimeout(timer);
    },
  };
}
