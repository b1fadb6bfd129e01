import type { Call } from "./call.ts";
import type { OnDisconnect } from "./turn.ts";

/**
 * Who reads one turn, and what becomes of it when nobody does (DESIGN section 2, rules 9 and 10). Not a
 * word to it means that the turn has no readers: after a restart it has its grace.
 */
export interface Readership {
  /**
   * Counts a call that started or joined the turn until it is over. `decides`: its request left
   * on_disconnect open, as the turn's own did, so that its cancelling cancels the turn.
   */
  join(call: Call, decides: boolean): void;
  /** To be called when the session's watchers have changed. */
  review(): void;
  /** The turn is over. */
  end(): void;
}

export type ReadershipOptions = {
  onDisconnect: OnDisconnect | undefined;
  graceMs: number;
  /** How many watch the session at the moment. */
  watchers: () => number;
  /** While the server drains, nobody's leaving ends a turn: the server itself sends them away. */
  isDraining: () => boolean;
  cancel: () => void;
};

export function createReadership(options: ReadershipOptions): Readership {
  const { onDisconnect, graceMs, watchers, isDraining, cancel } = options;
  /** The calls that read the turn, each with what ends its counting. */
  const readers = new Map<AbortSignal, () => void>();
  let everRead = false;
  let over = false;
  let grace: NodeJS.Timeout | undefined;

  const review = () => {
    clearTimeout(grace);
    if (over || readers.size > 0 || onDisconnect === "continue" || isDraining()) return;
    // A turn that a restart brought back never had a reader to lose.
    if (onDisconnect === "cancel" && everRead) return cancel();
    if (watchers() === 0) grace = setTimeout(cancel, graceMs);
  };

  const leave = async (call: Call, decides: boolean) => {
    const departure = await call.departure();
    readers.delete(call.signal);
    if (over) return;
    // What the turn's own request said counts for those who joined it too.
    if (decides && onDisconnect === undefined && departure === "cancelled") cancel();
    else review();
  };

  return {
    join(call, decides) {
      if (over || readers.has(call.signal)) return;
      const onAbort = () => void leave(call, decides);
      readers.set(call.signal, onAbort);
      everRead = true;
      clearTimeout(grace);
      if (call.signal.aborted) onAbort();
      else call.signal.addEventListener("abort", onAbort, { once: true });
    },
    review,
    end() {
      over = true;
      clearTimeout(grace);
      for (const [signal, onAbort] of readers) signal.removeEventListener("abort", onAbort);
      readers.clear();
    },
  };
}
