import type { EventEmitter } from "node:events";

/** How much of its age a connection may gain or lose by chance. */
const jitterRatio = 0.1;

/**
 * Calls `onAged` once, when the connection is `ageMaxMs` old, 10 % more or less by chance; never if it closes
 * before, or if `ageMaxMs` is 0. gRPC calls this the maximum connection age: long-lived connections spread over
 * replicas only if they end now and then. `random` is Math.random but in tests.
 */
export function whenAged(
  connection: EventEmitter,
  ageMaxMs: number,
  onAged: () => void,
  random: () => number = Math.random,
): void {
  if (ageMaxMs === 0) return;
  const ageMs = ageMaxMs * (1 + jitterRatio * (2 * random() - 1));
  const timer = setTimeout(onAged, Math.round(ageMs)).unref();
  connection.once("close", () => clearTimeout(timer));
}
