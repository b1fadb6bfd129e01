import { ConnectError } from "@connectrpc/connect";
import { wait } from "./clock.ts";
import type { OnConnection } from "./connection.ts";
import type { ClientContext } from "./context.ts";
import type { Endpoint } from "./endpoints.ts";
import { createRetry, type Retry } from "./retry.ts";

/** What is done again and again until it is done: one stream after another. */
export type Following = {
  signal: AbortSignal;
  budgetMs: number;
  onConnection: OnConnection | undefined;
  /** One stream. `move`: go on at another endpoint. What it throws is a failed attempt. */
  attempt(endpoint: Endpoint, retry: Retry): Promise<"done" | "move">;
  /** Judges a failure: the error to back off by, or undefined to go on at once. */
  onFailure(error: ConnectError): ConnectError | undefined;
};

/**
 * Makes attempts until one is done. Throws the error that ends it: one that no retry helps, or the last when
 * the budget is spent, or the signal's reason.
 */
export async function follow(context: ClientContext, following: Following): Promise<void> {
  const { endpoints, clock, wakers, random } = context;
  const { signal, budgetMs, onConnection } = following;
  let endpoint = endpoints.pick();
  const retry = createRetry(context, {
    signal,
    budgetMs,
    onWait: (error, ms) =>
      onConnection?.({ state: "lost", endpoint: endpoint.name, error, retryInMs: ms }),
  });
  for (;;) {
    if (signal.aborted) throw ConnectError.from(signal.reason);
    endpoint = endpoints.pick();
    onConnection?.({ state: "connecting", endpoint: endpoint.name });
    try {
      if ((await following.attempt(endpoint, retry)) === "done") return;
      // All streams of a draining server move at the same moment.
      await wait(random() * context.retry.delayMs, { clock, wakers, signal });
    } catch (thrown) {
      if (signal.aborted) throw ConnectError.from(signal.reason);
      const error = following.onFailure(ConnectError.from(thrown));
      if (error !== undefined) await retry.again(error, endpoint);
    }
  }
}

/** How long a draining endpoint is not preferred, milliseconds: DRAIN_TIMEOUT_MS's default. */
const drainMs = 30_000;

/** Turns to other endpoints; true when there is one that a stream may move to now. */
export function leaveDraining(
  { endpoints }: ClientContext,
  endpoint: Endpoint,
  onConnection: OnConnection | undefined,
  mayMove: boolean,
): boolean {
  endpoints.avoid(endpoint, drainMs);
  const moving = mayMove && endpoints.hasBetterThan(endpoint);
  onConnection?.({ state: "draining", endpoint: endpoint.name, moving });
  return moving;
}
