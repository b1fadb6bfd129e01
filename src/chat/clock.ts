import { randomUUID } from "node:crypto";
import { performance } from "node:perf_hooks";

/** Time, injected so that tests decide it. */
export interface Clock {
  /** The wall clock, milliseconds since 1970 UTC. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** Makes an id that is never used again: 122 random bits (DESIGN section 2, rule 16). */
export type NewId = () => string;

export const newId: NewId = () => randomUUID();
