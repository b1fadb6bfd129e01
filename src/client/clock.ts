import { clientClosed } from "./errors.ts";

/** Time, injected so that tests decide it. */
export interface ClientClock {
  /** The wall clock, milliseconds since 1970 UTC: it goes on while the machine sleeps. */
  now(): number;
  /** Calls `callback` once after `ms` milliseconds; returns what clearTimeout takes. */
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** The platform's clock. */
export const systemClock: ClientClock = {
  now: () => Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** The longest that a timer can hold, milliseconds; browsers and Node take more for 1. */
export const timerMsMax = 2_147_483_647;

/** Those who wait or listen for silence, and want to know that the machine or the network is back. */
export type Wakers = Set<() => void>;

/**
 * Resolves after `ms` milliseconds, or as soon as somebody wakes the client; throws the signal's reason when
 * it aborts first. Leaves no timer and no listener.
 */
export async function wait(
  ms: number,
  { clock, wakers, signal }: { clock: ClientClock; wakers: Wakers; signal: AbortSignal },
): Promise<void> {
  if (signal.aborted) throw reasonOf(signal);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = clock.setTimeout(resolve, Math.min(ms, timerMsMax));
  const onAbort = () => reject(reasonOf(signal));
  signal.addEventListener("abort", onAbort, { once: true });
  wakers.add(resolve);
  try {
    await promise;
  } finally {
    clock.clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    wakers.delete(resolve);
  }
}

/**
 * What `promise` comes to, unless the signal aborts first: then its reason is thrown at once, whatever the
 * promise does later.
 */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => undefined);
  if (signal.aborted) throw reasonOf(signal);
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(reasonOf(signal));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : clientClosed(signal.reason);
}
