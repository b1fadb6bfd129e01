import { monitorEventLoopDelay } from "node:perf_hooks";

/**
 * How much the server can still take. `any`: everything. `no_turns`: what runs, new streams that only read, resumes
 * and cancels. `no_streams`: only what runs, resumes and cancels.
 */
export type Load = "any" | "no_turns" | "no_streams";

export type LoadOptions = {
  /** The streams that are open now, the one that asks among them. */
  openStreams: () => number;
  /** The ceiling of open streams; above nine tenths of it new turns are refused. */
  streamsMax: number;
  /** Mean delay of the event loop, milliseconds, above which no turn begins; at twice that no stream. 0: never. */
  eventLoopDelayMaxMs: number;
  /** The mean delay of the event loop over the last second, milliseconds. */
  eventLoopDelayMs: () => number;
};

/** Judges the load at this moment (DESIGN section 5: new turns are refused first, then new streams). */
export function judgeLoad(options: LoadOptions): Load {
  const { openStreams, streamsMax, eventLoopDelayMaxMs, eventLoopDelayMs } = options;
  const streams = openStreams();
  const delayMs = eventLoopDelayMaxMs === 0 ? 0 : eventLoopDelayMs() / eventLoopDelayMaxMs;
  if (streams > streamsMax || delayMs > 2) return "no_streams";
  if (streams > Math.ceil(streamsMax * 0.9) || delayMs > 1) return "no_turns";
  return "any";
}

/** Measures the event loop; `close` stops that. */
export interface EventLoopMeter {
  /** The mean delay over the last whole second, milliseconds. */
  meanMs(): number;
  close(): void;
}

const resolutionMs = 10;

/** Watches how late timers fire, second by second. */
export function createEventLoopMeter(): EventLoopMeter {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  let meanMs = 0;
  const timer = setInterval(() => {
    // What it reports includes the timer's own interval.
    const measured = histogram.mean / 1e6 - resolutionMs;
    meanMs = Number.isFinite(measured) ? Math.max(0, measured) : 0;
    histogram.reset();
  }, 1_000).unref();
  return {
    meanMs: () => meanMs,
    close() {
      clearInterval(timer);
      histogram.disable();
    },
  };
}
