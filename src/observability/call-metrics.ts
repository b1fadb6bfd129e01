import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { CallObserver } from "../service/interceptors/measure-calls.ts";

/** Calls begun and ended, how long they took, and the streams that are open. */
export function measureCalls(registry: Registry): CallObserver {
  const registers = [registry];
  const started = new Counter({
    name: "chatwire_rpc_started_total",
    help: "Calls begun.",
    labelNames: ["rpc", "protocol"],
    registers,
  });
  const ended = new Counter({
    name: "chatwire_rpc_ended_total",
    help: "Calls ended, by the status that they ended with.",
    labelNames: ["rpc", "protocol", "code"],
    registers,
  });
  const duration = new Histogram({
    name: "chatwire_rpc_duration_seconds",
    help: "From a call's begin to its end; a stream's is as long as it was open.",
    labelNames: ["rpc", "protocol"],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 3_600],
    registers,
  });
  const streams = new Gauge({
    name: "chatwire_streams_open",
    help: "Streaming calls that are open now.",
    labelNames: ["rpc"],
    registers,
  });
  return {
    began({ rpc, protocol, isStream, traceParent }) {
      started.inc({ rpc, protocol });
      if (isStream) streams.inc({ rpc });
      return {
        traceParent,
        ended({ code, durationMs }) {
          ended.inc({ rpc, protocol, code });
          duration.observe({ rpc, protocol }, durationMs / 1_000);
          if (isStream) streams.dec({ rpc });
        },
      };
    },
  };
}
