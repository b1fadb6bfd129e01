import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { CallObserver } from "./interceptors/measure-calls.ts";
import type { OpenCalls } from "./open-calls.ts";

/** What /metrics shows; names and labels are documented in docs/operate.md. */
export interface Metrics {
  readonly calls: CallObserver;
  /** A turn is over. */
  turnEnded(model: string, finishReason: string): void;
  /** The page in Prometheus' text format, and its content type. */
  render(): Promise<string>;
  readonly contentType: string;
}

/** Counts that somebody else keeps. Functions are called each time the page is rendered. */
export type MetricSources = {
  runningTurns: () => number;
  /** Told of each call too. */
  openCalls: Pick<OpenCalls, "started" | "ended">;
  /** Present where the scripted model is offered. */
  scripted?: { readonly calls: number; readonly aborts: number };
};

/** One registry for one server; no label holds a session or a principal. */
export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];

  const started = new Counter({
    name: "chatwire_rpc_started_total",
    help: "RPCs begun, by method and protocol.",
    labelNames: ["rpc", "protocol"],
    registers,
  });
  const ended = new Counter({
    name: "chatwire_rpc_ended_total",
    help: "RPCs ended, by method, protocol and status code.",
    labelNames: ["rpc", "protocol", "code"],
    registers,
  });
  const duration = new Histogram({
    name: "chatwire_rpc_duration_seconds",
    help: "From an RPC's begin to its end.",
    labelNames: ["rpc"],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300],
    registers,
  });
  const turns = new Counter({
    name: "chatwire_turns_ended_total",
    help: "Turns ended, by model and finish reason.",
    labelNames: ["model", "finish_reason"],
    registers,
  });
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  const counter = (name: string, help: string, value: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(value());
      },
    });

  gauge("chatwire_turns_running", "Turns that run now.", sources.runningTurns);
  const { scripted } = sources;
  if (scripted) {
    const prefix = "chatwire_scripted_model";
    counter(`${prefix}_calls_total`, "Calls of scripted models.", () => scripted.calls);
    counter(`${prefix}_aborts_total`, "Those aborted before their end.", () => scripted.aborts);
  }

  return {
    calls: {
      started(rpc, protocol) {
        started.inc({ rpc, protocol });
        sources.openCalls.started(rpc);
      },
      ended(rpc, protocol, code, durationMs) {
        ended.inc({ rpc, protocol, code });
        duration.observe({ rpc }, durationMs / 1000);
        sources.openCalls.ended(rpc);
      },
    },
    turnEnded: (model, finishReason) => turns.inc({ model, finish_reason: finishReason }),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
