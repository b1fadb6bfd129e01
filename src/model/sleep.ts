/**
 * Waits `ms` milliseconds, or until `signal` aborts, whichever is first. It resolves in both cases, so the
 * caller looks at the signal; neither a timer nor a listener is left behind.
 */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** The longest that setTimeout can wait (nodejs.org/api/timers); callers that wait for longer call again. */
export const sleepMsMax = 2_147_483_647;

export const sleep: Sleep = (ms, signal) => {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, Math.min(ms, sleepMsMax));
    signal.addEventListener("abort", wake);
  });
};
