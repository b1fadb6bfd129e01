import type { Caller } from "../chat/caller.ts";
import { ChatError } from "../chat/errors.ts";

/** Counts the streams that are open now, in all and by caller. */
export interface StreamCounts {
  /**
   * Counts a stream until its signal aborts. Throws ChatError TOO_MANY_STREAMS where the caller has as many as it
   * may; that counts nothing.
   */
  open(caller: Caller, signal: AbortSignal): void;
  /** Those that are open now: the caller's, or everybody's. */
  count(caller?: Caller): number;
}

export function createStreamCounts(): StreamCounts {
  const counts = new Map<string, number>();
  let total = 0;
  return {
    open({ rateKey, limits: { streamsMax } }, signal) {
      const count = counts.get(rateKey) ?? 0;
      if (streamsMax !== undefined && count >= streamsMax) throw tooManyStreams(streamsMax);
      if (signal.aborted) return;
      counts.set(rateKey, count + 1);
      total += 1;
      const onClose = () => {
        total -= 1;
        const left = (counts.get(rateKey) ?? 1) - 1;
        if (left === 0) counts.delete(rateKey);
        else counts.set(rateKey, left);
      };
      signal.addEventListener("abort", onClose, { once: true });
    },
    count: (caller) => (caller === undefined ? total : (counts.get(caller.rateKey) ?? 0)),
  };
}

function tooManyStreams(streamsMax: number): ChatError {
  const description = `${streamsMax} streams at once`;
  return new ChatError(
    "resource_exhausted",
    "TOO_MANY_STREAMS",
    `you may have ${description}; close one, or wait until a lost one is noticed`,
    {
      // Without any stream there is nothing to wait for.
      ...(streamsMax > 0 && { retryable: true, retryAfterMs: 5_000 }),
      quotas: [{ subject: "STREAMS_PER_PRINCIPAL_MAX", description }],
    },
  );
}
