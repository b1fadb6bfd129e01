import { collectDefaultMetrics, Registry } from "prom-client";

/**
 * The usual metrics of a Node process, under their usual names (process_…, nodejs_…): memory, CPU, files, the delay
 * of the event loop since the page was last asked for, garbage collection. One registry for the process, however
 * many servers it has: the library's observers never end.
 */
export function processMetrics(): Registry {
  if (registry === undefined) {
    registry = new Registry();
    collectDefaultMetrics({ register: registry });
  }
  return registry;
}

let registry: Registry | undefined;
