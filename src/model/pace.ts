import { setImmediate as nextLoop } from "node:timers/promises";
import { type Clock, systemClock } from "../chat/clock.ts";
import { type Sleep, sleep, sleepMsMax } from "./sleep.ts";

/** After this many parts without a pause the event loop gets its turn. */
const partsPerLoop = 64;

/** What a test replaces to decide the time. */
export type PaceOptions = { clock?: Clock | undefined; sleep?: Sleep | undefined };

/** Waits until part `index` (from 1) is due, or the signal aborts. */
export type Pace = (index: number) => Promise<void>;

/**
 * Part i is due at start + i × `intervalMs`, on the monotonic clock: a late part does not make the next
 * one later. With an interval of 0 no timer is used.
 */
export function createPace(
  intervalMs: number,
  signal: AbortSignal,
  { clock = systemClock, sleep: pause = sleep }: PaceOptions = {},
): Pace {
  const startMs = clock.monotonicMs();
  let withoutPause = 0;
  return async (index) => {
    const dueMs = startMs + index * intervalMs;
    let leftMs = intervalMs === 0 ? 0 : dueMs - clock.monotonicMs();
    if (leftMs > 0) withoutPause = 0;
    else if (++withoutPause % partsPerLoop === 0) await nextLoop();
    while (leftMs > 0 && !signal.aborted) {
      await pause(Math.min(Math.ceil(leftMs), sleepMsMax), signal);
      leftMs = dueMs - clock.monotonicMs();
    }
  };
}
