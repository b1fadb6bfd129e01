import timers from "node:timers/promises";
import { ChatError } from "./errors.ts";

const firstDelayMs = 100;
const delayMsMax = 5_000;

/**
 * Calls `operation` until it succeeds, waiting twice as long each time. A ChatError that is not retryable is a
 * decision and is thrown; anything else is a fault that may pass, and is tried again. Once `givenUp` aborts the
 * last failure is thrown. `onFailure` is told of each failure.
 */
export async function retryUntil<T>(
  givenUp: AbortSignal,
  operation: () => Promise<T>,
  onFailure?: (error: unknown) => void,
): Promise<T> {
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(2 * delayMs, delayMsMax)) {
    try {
      return await operation();
    } catch (error) {
      onFailure?.(error);
      const isDecision = error instanceof ChatError && !error.retryable;
      if (isDecision || givenUp.aborted) throw error;
      await timers.setTimeout(delayMs, undefined, { signal: givenUp }).catch(() => undefined);
    }
  }
}
