import { Code, ConnectError } from "@connectrpc/connect";
import { wait } from "./clock.ts";
import type { ClientContext } from "./context.ts";
import type { Endpoint } from "./endpoints.ts";
import { classifyError, retryAfterMs } from "./errors.ts";

/** The attempts at one thing, and the waits between them. */
export type Retry = {
  /** How many attempts have failed since the last progress. */
  failures(): number;
  /** Something was achieved: the waits and the budget start again. */
  progress(): void;
  /**
   * Waits until the next attempt is due. Throws `error` itself when there is to be none: it is not worth a
   * retry, or the budget would be overdrawn. Throws the signal's reason when that aborts.
   */
  again(error: ConnectError, endpoint: Endpoint): Promise<void>;
};

export type RetryOptions = {
  signal: AbortSignal;
  /** How long after the first failure since the last progress another attempt may begin, milliseconds. */
  budgetMs: number;
  /** Told of each wait, milliseconds, before it begins. */
  onWait?: (error: ConnectError, ms: number) => void;
};

/** How long a failed endpoint is not preferred, milliseconds. */
const avoidMs = 10_000;
/** The longest that a server's RetryInfo is obeyed, milliseconds. */
const retryAfterMsMax = 300_000;

/** Jittered exponential backoff (full jitter), other endpoints first, RetryInfo obeyed, a budget held. */
export function createRetry(context: ClientContext, options: RetryOptions): Retry {
  const { endpoints, clock, wakers, retry: policy } = context;
  const { signal, budgetMs, onWait } = options;
  let failures = 0;
  let failingSince: number | undefined;
  let tokenRenewed = false;

  /** A token may have run out between getToken and the call, or during a stream: one more try with the next. */
  function renewsToken(error: ConnectError): boolean {
    if (error.code !== Code.Unauthenticated || context.getToken === undefined) return false;
    const renews = !tokenRenewed;
    tokenRenewed = true;
    return renews;
  }

  /** RetryInfo is the word of one server, so the next one need not wait for it. */
  function delayMs(error: ConnectError, endpoint: Endpoint): number {
    const exponent = Math.min(Math.floor((failures - 1) / endpoints.count), 30);
    const bound = Math.min(policy.delayMsMax, policy.delayMs * 2 ** exponent);
    const asked = Math.min(retryAfterMs(error) ?? 0, retryAfterMsMax);
    endpoints.avoid(endpoint, Math.max(asked, avoidMs));
    const obeyed = endpoints.hasBetterThan(endpoint) ? 0 : asked;
    return obeyed + context.random() * bound;
  }

  return {
    failures: () => failures,
    progress() {
      failures = 0;
      failingSince = undefined;
      tokenRenewed = false;
    },
    async again(error, endpoint) {
      if (signal.aborted) throw ConnectError.from(signal.reason);
      if (renewsToken(error)) return;
      if (classifyError(error) !== "retry") throw error;
      failures += 1;
      failingSince ??= clock.now();
      const ms = delayMs(error, endpoint);
      if (clock.now() + ms - failingSince > budgetMs) throw error;
      onWait?.(error, ms);
      await wait(ms, { clock, wakers, signal });
    },
  };
}
