import { type ClientClock, timerMsMax } from "./clock.ts";

/** Notices that nothing is heard any more: sleep, half-open TCP, a stuck proxy. */
export type SilenceGuard = {
  /** From now on a silence of `ms` milliseconds is a loss. */
  limit(ms: number): void;
  /** Something is awaited from now on. */
  listen(): void;
  /** Nothing is awaited: the consumer is slow, and that is no silence. */
  pause(): void;
  /** Looks at the clock now, as timers stand still while a machine sleeps. */
  check(): void;
  stop(): void;
};

/** Calls `onSilence` at most once, with the limit that was passed. One timer, armed again only when it fires. */
export function createSilenceGuard(
  clock: ClientClock,
  limitMs: number,
  onSilence: (ms: number) => void,
): SilenceGuard {
  let timer: unknown;
  let silentMsMax = limitMs;
  let listensSince: number | undefined;
  let stopped = false;

  function arm(ms: number): void {
    clock.clearTimeout(timer);
    timer = clock.setTimeout(onTimer, Math.min(ms, timerMsMax));
  }

  function onTimer(): void {
    timer = undefined;
    check();
  }

  function check(): void {
    if (stopped || listensSince === undefined) return;
    const leftMs = silentMsMax - (clock.now() - listensSince);
    if (leftMs > 0) {
      // A wall clock that was set back must not make the wait longer.
      if (timer === undefined) arm(Math.min(leftMs, silentMsMax));
      return;
    }
    stop();
    onSilence(silentMsMax);
  }

  function stop(): void {
    stopped = true;
    clock.clearTimeout(timer);
    timer = undefined;
  }

  return {
    limit(ms) {
      const shorter = ms < silentMsMax;
      silentMsMax = ms;
      if (shorter && timer !== undefined && !stopped) arm(ms);
    },
    listen() {
      if (stopped) return;
      listensSince = clock.now();
      if (timer === undefined) arm(silentMsMax);
    },
    pause() {
      listensSince = undefined;
    },
    check,
    stop,
  };
}
