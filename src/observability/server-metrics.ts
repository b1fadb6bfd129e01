import { Counter, Gauge, type Registry } from "prom-client";
import { version } from "../version.ts";

/** Counts that somebody else keeps. Functions are called each time the page is rendered. */
export type MetricSources = {
  runningTurns: () => number;
  queuedTurns: () => number;
  liveSessions: () => number;
  isDraining: () => boolean;
  connections: () => { http1Connections: number; http2Sessions: number; refusedTotal: number };
  /** Present where the scripted model is offered. */
  scripted: { readonly calls: number; readonly aborts: number } | undefined;
};

/** What the server holds at the moment that it is asked. */
export function registerServer(registry: Registry, sources: MetricSources): void {
  const registers = [registry];
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
  gauge("chatwire_turns_queued", "Turns that wait for their run.", sources.queuedTurns);
  gauge(
    "chatwire_sessions_live",
    "Sessions in which a turn runs or waits, or that somebody reads.",
    sources.liveSessions,
  );
  gauge("chatwire_draining", "1 once the server is about to stop, else 0.", () =>
    sources.isDraining() ? 1 : 0,
  );
  registerConnections(registry, sources);
  counter(
    "chatwire_connections_refused_total",
    "Connections closed at once because of CONNECTIONS_MAX.",
    () => sources.connections().refusedTotal,
  );
  const { scripted } = sources;
  if (!scripted) return;
  const prefix = "chatwire_scripted_model";
  counter(`${prefix}_calls_total`, "Calls of scripted models.", () => scripted.calls);
  counter(`${prefix}_aborts_total`, "Those aborted before their end.", () => scripted.aborts);
}

function registerConnections(registry: Registry, { connections }: MetricSources): void {
  const registers = [registry];
  new Gauge({
    name: "chatwire_connections",
    help: "Connections that are open now, by HTTP version.",
    labelNames: ["version"],
    registers,
    collect() {
      const { http1Connections, http2Sessions } = connections();
      this.set({ version: "1.1" }, http1Connections);
      this.set({ version: "2" }, http2Sessions);
    },
  });
  const info = new Gauge({
    name: "chatwire_info",
    help: "Always 1; its labels say what runs.",
    labelNames: ["version", "node"],
    registers,
  });
  info.set({ version, node: process.version }, 1);
}
