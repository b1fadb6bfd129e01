import { type Clock, systemClock } from "../chat/clock.ts";
import { ModelError, type ModelPart } from "../chat/model.ts";
import { type Sleep, sleep } from "./sleep.ts";

export type RetryOptions = {
  clock?: Clock | undefined;
  sleep?: Sleep | undefined;
  /** From 0 to below 1. */
  random?: (() => number) | undefined;
  /** Before each pause. */
  onRetry?: ((retry: { attempt: number; delayMs: number; error: ModelError }) => void) | undefined;
};

/** All attempts together; past either bound the last failure is the call's. */
export const retryLimits = {
  attemptsMax: 4,
  totalMsMax: 30_000,
  firstDelayMs: 500,
  delayMsMax: 8_000,
} as const;

/**
 * Calls `attempt` until one yields a part, and again after a retryable ModelError before that; once
 * something has been yielded a failure is final, as a second reply would not continue the first. It waits
 * as long as the provider asked for, or else longer each time, with jitter; an abort ends the pause at once.
 * A wait that would outlast the budget is not begun.
 */
export async function* withRetries(
  attempt: () => AsyncIterable<ModelPart>,
  signal: AbortSignal,
  options: RetryOptions = {},
): AsyncGenerator<ModelPart> {
  const { clock = systemClock, sleep: pause = sleep, random = Math.random, onRetry } = options;
  const startMs = clock.monotonicMs();
  for (let attempts = 1; ; attempts += 1) {
    let begun = false;
    try {
      for await (const part of attempt()) {
        begun = true;
        yield part;
      }
      return;
    } catch (error) {
      const delayMs = begun || signal.aborted ? undefined : delayBefore(error, attempts, random);
      const leftMs = startMs + retryLimits.totalMsMax - clock.monotonicMs();
      if (delayMs === undefined || delayMs > leftMs || !(error instanceof ModelError)) throw error;
      onRetry?.({ attempt: attempts, delayMs, error });
      await pause(delayMs, signal);
      if (signal.aborted) return;
    }
  }
}

/** How long to wait after this failure, milliseconds; undefined where trying again is no use. */
function delayBefore(error: unknown, attempts: number, random: () => number): number | undefined {
  if (!(error instanceof ModelError) || !error.retryable) return undefined;
  if (attempts >= retryLimits.attemptsMax) return undefined;
  if (error.retryAfterMs !== undefined) return error.retryAfterMs + Math.round(random() * 250);
  const ceilingMs = Math.min(
    retryLimits.firstDelayMs * 2 ** (attempts - 1),
    retryLimits.delayMsMax,
  );
  return Math.round(ceilingMs * (0.5 + random() / 2));
}
