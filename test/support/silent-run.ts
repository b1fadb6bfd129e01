import type { RunObserver } from "../../src/chat/observer.ts";

/** Watches a run and tells nobody. */
export const silentRun: RunObserver = {
  traceParent: undefined,
  firstChunk: () => undefined,
  nextChunk: () => undefined,
  ended: () => undefined,
};
