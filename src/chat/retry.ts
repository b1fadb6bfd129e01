import timers from "node:timers/promises";
import { ChatError } from "./errors.ts";

const firstDelayMs = 100;
const delayMsMax = 5_000;

/**
 * Calls `operation` until it succeeds, waiting twice as long each time. Only a ChatError that is retryable is
 * tried again: any other is a decision, and what nobody foresaw is a fault of ours that repeating does not mend;
 * both are thrown at once. Once `givenUp` aborts the last failure is thrown. `onFailure` is told of each failure.
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
      const mayPass = error instanceof ChatError && error.retryable;
      if (!mayPass || givenUp.aborted) throw error;
      await timers.setTimeout(delayMs, undefined, { signal: givenUp }).catch(() => undefined);
    }
  }
}
