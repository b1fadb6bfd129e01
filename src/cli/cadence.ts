import { performance } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import type { ChatResponse } from "../gen/chat/chat_pb.ts";

/** Where time comes from. */
export type Pace = {
  /** Milliseconds since some moment. */
  now(): number;
  /** Resolves after so many milliseconds, and at once when the signal aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
};

/** The clock on the wall. */
export const realPace: Pace = {
  now: () => performance.now(),
  wait: (ms, signal) => wait(ms, undefined, { signal }).catch(() => undefined),
};

/**
 * Holds each event of a turn back until as long after the turn's first event as the model took to it: its
 * `elapsed_ms`. Between turns nothing is waited for.
 */
export function createCadence(
  pace: Pace,
): (event: ChatResponse, signal: AbortSignal) => Promise<void> {
  let turn = { id: "", startedAt: 0 };
  return async ({ turnId, elapsedMs }, signal) => {
    if (turnId === "") return;
    if (turnId !== turn.id) turn = { id: turnId, startedAt: pace.now() - elapsedMs };
    const ms = turn.startedAt + elapsedMs - pace.now();
    if (ms > 0) await pace.wait(ms, signal);
  };
}
