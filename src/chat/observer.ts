import type { Turn, TurnEnd } from "./turn.ts";

/** What the operator is told; the engine itself writes no log lines. None of these may throw. */
export interface EngineObserver {
  /** A turn's run begins, before anything of it is recorded. A turn runs at most once. */
  turnStarted(turn: Turn): RunObserver;
  /** A turn's end is stored; also that of one that never ran. */
  turnEnded(turn: Turn, end: TurnEnd): void;
  /** A turn failed in a way that its caller is not told in full. */
  turnFailed(turn: Turn, error: unknown): void;
  /** A request for a turn was refused before its turn existed. */
  turnRefused(error: unknown): void;
  /** Sessions were deleted that nobody had changed for SESSION_TTL_MS. */
  sessionsExpired(count: number): void;
  /** Sessions that are due could not be deleted; it is tried again later. */
  expiryFailed(error: unknown): void;
}

/** Told how one run goes. */
export interface RunObserver {
  /** For the provider's call (W3C Trace Context); undefined where nobody traces. */
  readonly traceParent: string | undefined;
  /** The model has begun to answer, so many milliseconds after the run began. */
  firstChunk(elapsedMs: number): void;
  /** Another part of the reply has come, so many milliseconds after the one before. Called often. */
  nextChunk(gapMs: number): void;
  /** The run is over; undefined where its end could not be recorded. Called once. */
  ended(end: TurnEnd | undefined): void;
}
