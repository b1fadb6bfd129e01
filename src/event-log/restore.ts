import type { Retention } from "./retention.ts";
import {
  type Head,
  parsePart,
  partSeparator,
  splitParts,
  type Tick,
  type TickPart,
} from "./tick.ts";
import { SessionWindow, type WindowTick } from "./window.ts";

/** What a storage has kept, read once at start. */
export type SavedLog = {
  /** In the order in which they were written. */
  ticks: AsyncIterable<Tick>;
  heads: readonly Head[];
  /** Dropped sessions: what the ticks up to `throughTickId` hold of them is void. */
  drops: readonly { sessionId: string; throughTickId: number }[];
};

type SavedPart = TickPart & { tick: WindowTick; start: number; end: number };

/** Fills the windows with what was saved. Resolves with the id of the last tick, 0 for none. */
export async function restore(
  { ticks, heads, drops }: SavedLog,
  windows: Map<string, SessionWindow>,
  retention: Retention,
): Promise<number> {
  const droppedThrough = new Map(drops.map((drop) => [drop.sessionId, drop.throughTickId]));
  const sessions = new Map<string, SavedPart[]>();
  const kept: WindowTick[] = [];
  for await (const { id, at, body } of ticks) {
    const tick: WindowTick = { id, at, body, segments: 0, windows: [] };
    kept.push(tick);
    for (const part of readParts(tick)) {
      if (id > (droppedThrough.get(part.sessionId) ?? 0)) addPart(sessions, part);
    }
  }
  for (const head of heads) windows.set(head.sessionId, restoreWindow(head, sessions, retention));
  for (const sessionId of sessions.keys()) {
    if (windows.has(sessionId)) continue;
    const head = { sessionId, lastSequence: 0, fence: 0 };
    windows.set(sessionId, restoreWindow(head, sessions, retention));
  }
  for (const tick of kept) retention.addTick(tick);
  return Math.max(kept.at(-1)?.id ?? 0, ...droppedThrough.values());
}

function readParts(tick: WindowTick): SavedPart[] {
  let start = 0;
  return splitParts(tick.body).map((json) => {
    const part = { ...parsePart(json), tick, start, end: start + json.length };
    start = part.end + partSeparator.length;
    return part;
  });
}

/**
 * A tick stays until all its sessions are done with it, so that of one session older ones may be left
 * than retention had kept, with a gap behind them. What comes after the last gap counts.
 */
function addPart(sessions: Map<string, SavedPart[]>, part: SavedPart): void {
  const parts = sessions.get(part.sessionId);
  const last = parts?.at(-1);
  if (parts === undefined || last === undefined) sessions.set(part.sessionId, [part]);
  else if (last.firstSequence + last.events.length === part.firstSequence) parts.push(part);
  else sessions.set(part.sessionId, [part]);
}

function restoreWindow(
  head: Head,
  sessions: ReadonlyMap<string, SavedPart[]>,
  retention: Retention,
): SessionWindow {
  const parts = sessions.get(head.sessionId) ?? [];
  const first = parts[0];
  const last = parts.at(-1);
  const lastSequence = last === undefined ? 0 : last.firstSequence + last.events.length - 1;
  if (first === undefined || lastSequence < head.lastSequence) return new SessionWindow(head);
  const window = new SessionWindow({ ...head, lastSequence: first.firstSequence - 1 });
  for (const { tick, start, end, ...part } of parts) {
    window.commit(part, tick, start, end);
    retention.addSegment(window, tick, start, end);
  }
  return window;
}
