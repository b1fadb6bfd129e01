import type { Store } from "../chat/store.ts";

/** A store with work that it does in the background, and that can be waited for. */
export interface TidyStore extends Store {
  /**
   * Does what waits: indexes what was written for the search, removes what deleted sessions held, forgets
   * the keys whose time has passed. It runs by itself, soon after each change. Rejects with
   * STORAGE_UNAVAILABLE; the rest is done the next time.
   */
  tidy(): Promise<void>;

  /** Ends the background work. */
  close(): void;
}

/** How long after a change the work begins, so that the changes of a moment are done together. */
const delayMs = 100;
/** Of the time, how much the slices leave for what else the storage has to do: so many times their own. */
const pauseRatio = 4;
/** The pause between two slices, milliseconds. A slice that waited long for its turn would else earn a long pause. */
const pauseMs = { min: 1, max: 12 };
/** How often it looks for what is due by its time alone. */
const everyMs = 60 * 60 * 1_000;

export interface Tidier {
  /** Something has changed. */
  wake(): void;
  tidy(): Promise<void>;
  close(): void;
}

/** Runs `slice` until it resolves with false. */
export function createTidier(slice: () => Promise<boolean>): Tidier {
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let changed = false;
  let working = false;
  const interval = setInterval(wake, everyMs);
  interval.unref();

  function wake(): void {
    changed = true;
    if (!working) schedule(delayMs);
  }

  function schedule(ms: number): void {
    if (closed || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      // What the storage refuses waits for the next change.
      work().catch(() => undefined);
    }, ms);
    timer.unref();
  }

  async function work(): Promise<void> {
    working = true;
    changed = false;
    let more = false;
    const startedMs = performance.now();
    try {
      more = await slice();
    } finally {
      working = false;
    }
    const pause = (performance.now() - startedMs) * pauseRatio;
    if (more) schedule(Math.min(Math.max(pause, pauseMs.min), pauseMs.max));
    else if (changed) schedule(delayMs);
  }

  wake();
  return {
    wake,
    async tidy() {
      while (await slice());
    },
    close() {
      closed = true;
      clearInterval(interval);
      clearTimeout(timer);
    },
  };
}
