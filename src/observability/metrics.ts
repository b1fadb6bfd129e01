import { Registry } from "prom-client";
import { processMetrics } from "./process-metrics.ts";

/** The page of metrics. */
export interface MetricsPage {
  /** In Prometheus' text format. */
  render(): Promise<string>;
  readonly contentType: string;
}

/** One registry for one server. No label holds a session, a principal, a key or an address. */
export function createMetricsPage(registry: Registry): MetricsPage {
  return {
    render: () => Registry.merge([registry, processMetrics()]).metrics(),
    contentType: registry.contentType,
  };
}
