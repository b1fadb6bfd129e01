import type { ServerStatsResponse } from "../../../src/gen/chat/chat_pb.ts";

/** The statistics at a moment, milliseconds. */
export type Sample = { readonly at: number; readonly stats: ServerStatsResponse };

/** What two samples tell of the time between them. */
export type Rates = {
  /** When, milliseconds. */
  readonly at: number;
  readonly streams: number;
  readonly runningTurns: number;
  /** Requests for a turn; one that is refused and sent again counts each time. */
  readonly requestsPerMinute: number;
  readonly firstChunkSeconds: number;
  readonly tokensPerSecond: number;
  /** Those of them that were refused, or whose turn failed. */
  readonly failuresPerMinute: number;
};

/** The rates between each sample and the next; a server that was started again begins anew. */
export function ratesOf(samples: readonly Sample[]): Rates[] {
  const rates: Rates[] = [];
  for (const [index, { at, stats }] of samples.entries()) {
    const before = samples[index - 1];
    const seconds = before === undefined ? 0 : (at - before.at) / 1_000;
    const perSecond = (of: (each: ServerStatsResponse) => number) =>
      before === undefined || seconds <= 0
        ? 0
        : Math.max(0, of(stats) - of(before.stats)) / seconds;
    rates.push({
      at,
      streams: stats.activeStreams,
      runningTurns: stats.runningTurns,
      firstChunkSeconds: stats.averageFirstChunkTime,
      requestsPerMinute: 60 * perSecond((each) => each.totalRequests),
      tokensPerSecond: perSecond((each) => Number(each.outputTokens)),
      failuresPerMinute: 60 * perSecond((each) => each.failedRequests),
    });
  }
  return rates;
}
