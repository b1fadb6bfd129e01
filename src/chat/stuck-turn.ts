import type { Lane } from "./lane.ts";
import type { LiveTurn } from "./live-turn.ts";
import type { TurnEnd } from "./turn.ts";

/**
 * The turn's recorded end, undefined where this process could not record one. Throws what readers are told once
 * the turn waits for a storage that takes no writes: that may last, and the lane's other work is not to wait
 * for it. The turn comes to its end all the same when the storage is back (DESIGN section 2, rule 2).
 */
export async function endUnlessStuck({
  ended,
  fault,
}: Pick<LiveTurn, "ended" | "fault">): Promise<TurnEnd | undefined> {
  const { promise: stuck, reject } = Promise.withResolvers<never>();
  // Not at once: a turn that is given up for its fault has ended in a moment.
  const onFault = () => void setImmediate(() => reject(fault.reason));
  if (fault.aborted) onFault();
  else fault.addEventListener("abort", onFault, { once: true });
  try {
    return await Promise.race([ended, stuck]);
  } finally {
    fault.removeEventListener("abort", onFault);
  }
}

/** Throws what readers are told while the lane's running turn waits for a storage that takes no writes. */
export function refuseWhileStuck({ running }: Pick<Lane, "running">): void {
  running?.fault.throwIfAborted();
}
