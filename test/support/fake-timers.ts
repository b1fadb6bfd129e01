import type { TestContext } from "node:test";

type FakeTimer = { dueMs: number; refresh(): FakeTimer; unref(): FakeTimer };

/**
 * Puts timers that the test moves in the place of the global ones until it ends. Unlike node:test's own they
 * can be refreshed.
 */
export function createFakeTimers(t: TestContext) {
  let nowMs = 0;
  let started = 0;
  const running = new Map<FakeTimer, () => void>();
  const set = (callback: () => void, delayMs: number): FakeTimer => {
    const timer: FakeTimer = {
      dueMs: nowMs + delayMs,
      refresh() {
        timer.dueMs = nowMs + delayMs;
        return timer;
      },
      unref: () => timer,
    };
    running.set(timer, callback);
    started += 1;
    return timer;
  };
  t.mock.method(globalThis, "setTimeout", set as never);
  t.mock.method(globalThis, "clearTimeout", (timer: FakeTimer) => void running.delete(timer));
  return {
    /** Lets this many milliseconds pass, and calls what falls due meanwhile. */
    tick(ms: number) {
      nowMs += ms;
      for (const [timer, callback] of running) {
        if (timer.dueMs > nowMs) continue;
        running.delete(timer);
        callback();
      }
    },
    /** Timers that are neither due nor cleared. */
    running: () => running.size,
    started: () => started,
    /** Puts the real ones back before the test ends. */
    restore() {
      t.mock.restoreAll();
    },
  };
}
