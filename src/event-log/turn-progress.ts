import type { TickPart } from "./tick.ts";

/**
 * How far the turn has come that has the highest fence; no other may write with one. `stored`: the store has its
 * end, so that nobody needs its events here.
 */
export type TurnProgress = {
  turnId: string;
  fence: number;
  nextBatch: number;
  ended: boolean;
  stored: boolean;
};

type ProgressPart = Pick<TickPart, "turnId" | "fence" | "batch" | "events">;

/** How far it has come with a part more. */
export function advance(progress: TurnProgress, part: ProgressPart): TurnProgress {
  const { turnId, fence, batch, events } = part;
  if (batch > 0) {
    const nextBatch = batch + events.length;
    return { turnId, fence, nextBatch, ended: hasEnd(part), stored: false };
  }
  // Such a part has the highest fence with it, for the time when it alone is left.
  return fence > progress.fence ? noTurn(fence) : progress;
}

/** Nothing is left of the turn that had the fence. */
export function noTurn(fence: number): TurnProgress {
  return { turnId: "", fence, nextBatch: 1, ended: true, stored: true };
}

export function hasEnd({ events }: Pick<TickPart, "events">): boolean {
  return events.some(({ type }) => type === "end");
}
