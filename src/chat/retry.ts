import timers from "node:timers/promises";
import { ChatError } from "./errors.ts";

const firstDelayMs = 100;
const delayMsMax = 5_000;

/**
 * Calls `operation` until it succeeds, waiting twice as long each time. Only a retryable ChatError is
 * tried again; anything else is thrown, and so is the last failure once `givenUp` aborts. `onFailure` is
 * told of each failure.
 */
export async function retryUntil<T>(
  givenUp: AbortSignal,
  operation: () => Promise<T>,
  onFailure: (error: unknown) => void,
): Promise<T> {
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(2 * delayMs, delayMsMax)) {
    try {
      return await operation();
    } catch (error) {
      onFailure(error);
      const retryable = error instanceof ChatError && error.retryable;
      if (!retryable || givenUp.aborted) throw error;
      await timers.setTimeout(delayMs, undefined, { signal: givenUp }).catch(() => undefined);
    }
  }
}
