import { setImmediate as turn } from "node:timers/promises";
import type { ClientClock } from "../../src/client/clock.ts";

/** Time that only a test moves. */
export type VirtualClock = ClientClock & {
  /** Timers that are set now. */
  pending(): number;
  /** Lets everything that is ready happen, then moves on by `ms`, firing what falls due on the way. */
  advance(ms: number): Promise<void>;
  /** The machine sleeps: time goes on, and timers stand still. */
  sleep(ms: number): void;
  /** Lets everything that is ready happen. */
  settle(): Promise<void>;
  /** Moves from timer to timer until the promise has settled. Throws where no timer is left to fire. */
  run<T>(promise: Promise<T>): Promise<T>;
};

/** Turns of the event loop after which what is in memory has come to rest. */
const settleTurns = 12;

export function createVirtualClock(): VirtualClock {
  const timers = new Map<object, { dueMs: number; callback: () => void }>();
  let nowMs = 0;

  function earliest(): { id: object; dueMs: number; callback: () => void } | undefined {
    let first: { id: object; dueMs: number; callback: () => void } | undefined;
    for (const [id, timer] of timers) {
      if (first === undefined || timer.dueMs < first.dueMs) first = { id, ...timer };
    }
    return first;
  }

  function fire(timer: { id: object; dueMs: number; callback: () => void }): void {
    timers.delete(timer.id);
    nowMs = Math.max(nowMs, timer.dueMs);
    timer.callback();
  }

  async function settle(): Promise<void> {
    for (let turns = 0; turns < settleTurns; turns += 1) await turn();
  }

  return {
    now: () => nowMs,
    setTimeout(callback, ms) {
      const id = {};
      timers.set(id, { dueMs: nowMs + ms, callback });
      return id;
    },
    clearTimeout: (id) => void timers.delete(id as object),
    pending: () => timers.size,
    sleep(ms) {
      for (const timer of timers.values()) timer.dueMs += ms;
      nowMs += ms;
    },
    settle,
    async advance(ms) {
      await settle();
      const untilMs = nowMs + ms;
      for (let next = earliest(); next && next.dueMs <= untilMs; next = earliest()) {
        fire(next);
        await settle();
      }
      nowMs = untilMs;
    },
    async run(promise) {
      let isSettled = false;
      const mark = () => {
        isSettled = true;
      };
      promise.then(mark, mark);
      for (;;) {
        await settle();
        if (isSettled) return promise;
        const next = earliest();
        if (next === undefined) throw new Error("nothing is left to happen");
        fire(next);
      }
    },
  };
}
