import type { ChatError } from "./errors.ts";
import type { Turn, TurnEnd } from "./turn.ts";
import type { Stop } from "./turn-run.ts";

/** What becomes of a turn when the last call that started it is gone. */
export type OnDisconnect = "grace" | "continue" | "cancel";

/** A turn that runs in this process: who reads it, and how it is ended from outside. */
export interface RunningTurn {
  readonly turn: Turn;
  /** Aborts with a Stop when the turn is to end. */
  readonly signal: AbortSignal;
  /** Aborts with the ChatError that readers are to be told when the event log has failed. */
  readonly fault: AbortSignal;
  /** Resolves with the turn's recorded end; undefined when the process could not record one. */
  readonly ended: Promise<TurnEnd | undefined>;
  /** Ends the turn; the first stop holds. */
  stop(stop: Stop): void;
  fail(error: ChatError): void;
  /** Counts a call as the turn's reader until its signal aborts. */
  attach(call: AbortSignal): void;
  /** The turn is over: resolves `ended` and lets the calls go. */
  settle(end: TurnEnd | undefined): void;
}

export function createRunningTurn(turn: Turn, onDisconnect: OnDisconnect): RunningTurn {
  const stopping = new AbortController();
  const failing = new AbortController();
  const { promise: ended, resolve: settle } = Promise.withResolvers<TurnEnd | undefined>();
  const readers = new Map<AbortSignal, () => void>();
  const stop = (reason: Stop) => stopping.abort(reason);

  const detach = (call: AbortSignal) => {
    readers.delete(call);
    if (readers.size === 0 && onDisconnect !== "continue") stop({ finishReason: "cancelled" });
  };
  return {
    turn,
    signal: stopping.signal,
    fault: failing.signal,
    ended,
    stop,
    fail: (error) => failing.abort(error),
    attach(call) {
      if (readers.has(call)) return;
      if (call.aborted) return detach(call);
      const onAbort = () => detach(call);
      readers.set(call, onAbort);
      call.addEventListener("abort", onAbort, { once: true });
    },
    settle(end) {
      // A call may outlive many turns.
      for (const [call, onAbort] of readers) call.removeEventListener("abort", onAbort);
      readers.clear();
      settle(end);
    },
  };
}
