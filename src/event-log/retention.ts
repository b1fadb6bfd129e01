import { Queue } from "./queue.ts";
import { bytesOf } from "./segments.ts";
import { type ArchivedEvent, type Head, parsePart, type Redundant } from "./tick.ts";
import type { SessionWindow, WindowSegment, WindowTick } from "./window.ts";

/** How much of the log is kept; what comes first counts. */
export type RetentionLimits = {
  /** Milliseconds. */
  retentionMs: number;
  /** Of memory, about; more on top while turns hold on to theirs whose end is not stored. */
  retentionBytes: number;
};

/** What archiving a segment costs, in removals of one. */
const archivingWork = 8;

/** Removes the oldest events, tick by tick, but never those of a turn whose end is not stored. */
export class Retention {
  readonly #limits: RetentionLimits;
  /** Ticks not yet visited, oldest first. */
  readonly #ticks = new Queue<WindowTick | undefined>(undefined);
  /** Windows that a turn whose end is not stored kept from following. */
  readonly #lagging = new Set<SessionWindow>();
  /** Windows whose last kept event is gone, and whose head the disk has yet to learn. */
  readonly #emptied = new Set<SessionWindow>();
  /** Events of no turn that have left their window, and that the archive has yet to get. */
  readonly #unarchived = new Map<SessionWindow, ArchivedEvent[]>();
  /** How many of these the last `redundant` named. */
  #archiving: [SessionWindow, number][] = [];
  #visitedTickId = 0;
  #bytes = 0;
  readonly #redundant: WindowTick[] = [];

  constructor(limits: RetentionLimits) {
    this.#limits = limits;
  }

  /** About what the kept events take in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A tick whose segments are all added. */
  addTick(tick: WindowTick): void {
    if (tick.segments === 0) this.#redundant.push(tick);
    else this.#ticks.push(tick);
  }

  /** A part of the tick that a window keeps, from `start` to `end` of its body. */
  addSegment(window: SessionWindow, tick: WindowTick, start: number, end: number): void {
    this.#bytes += bytesOf({ start, end });
    tick.segments += 1;
    tick.windows.push(window);
  }

  /** A window that is no longer kept. */
  forget(window: SessionWindow, segments: readonly WindowSegment[]): void {
    this.#lagging.delete(window);
    this.#emptied.delete(window);
    this.#unarchived.delete(window);
    for (const segment of segments) this.#remove(segment);
  }

  /** Events of the window that belong to no turn and are neither in it nor in the archive. */
  unarchived(window: SessionWindow): readonly ArchivedEvent[] {
    return this.#unarchived.get(window) ?? [];
  }

  /** Removes up to about `segmentsMax` segments. True when there is more to remove. */
  prune(now: number, segmentsMax: number): boolean {
    let removed = 0;
    for (const window of this.#lagging) removed += this.#follow(window);
    while (this.#isOver(now) && removed < segmentsMax) removed += this.#visitOldest();
    return this.#isOver(now);
  }

  /**
   * What has become redundant on the disk, up to `countMax` ticks, and what is to be kept of it; undefined
   * for nothing. No tick goes before all that is to be kept is on the disk.
   */
  redundant(countMax: number): Redundant | undefined {
    const archived = this.#nextUnarchived(countMax);
    if (this.#redundant.length === 0 && archived.length === 0) return undefined;
    const heads = this.#nextHeads(countMax);
    const isAll = archived.length < countMax && heads.length < countMax;
    const tickIds = isAll ? this.#redundant.slice(0, countMax).map(({ id }) => id) : [];
    return { archived, tickIds, heads };
  }

  /** The disk has done what `redundant` said. */
  confirm({ tickIds, heads }: Redundant): void {
    this.#redundant.splice(0, tickIds.length);
    const confirmed = new Map(heads.map((head) => [head.sessionId, head.lastSequence]));
    for (const window of this.#emptied) {
      if (window.closed || confirmed.get(window.sessionId) === window.lastSequence) {
        this.#emptied.delete(window);
      }
    }
    for (const [window, count] of this.#archiving) {
      const events = this.#unarchived.get(window);
      events?.splice(0, count);
      if (events?.length === 0) this.#unarchived.delete(window);
    }
  }

  #nextHeads(countMax: number): Head[] {
    const heads: Head[] = [];
    for (const window of this.#emptied) {
      if (heads.length >= countMax) break;
      const { sessionId, lastSequence, fence } = window;
      // One that has been written to again says by that where it stands.
      if (window.firstSegment === undefined) heads.push({ sessionId, lastSequence, fence });
      else this.#emptied.delete(window);
    }
    return heads;
  }

  #nextUnarchived(countMax: number): ArchivedEvent[] {
    const next: ArchivedEvent[] = [];
    this.#archiving = [];
    for (const [window, events] of this.#unarchived) {
      if (next.length >= countMax) break;
      const some = events.slice(0, countMax - next.length);
      next.push(...some);
      this.#archiving.push([window, some.length]);
    }
    return next;
  }

  #isOver(now: number): boolean {
    const oldest = this.#ticks.at(0);
    if (oldest === undefined) return false;
    const { retentionMs, retentionBytes } = this.#limits;
    return this.#bytes > retentionBytes || oldest.at + retentionMs < now;
  }

  #visitOldest(): number {
    const tick = this.#ticks.at(0);
    if (tick === undefined) return 0;
    this.#ticks.removeFirst(1);
    this.#visitedTickId = tick.id;
    const removed = tick.windows.reduce((sum, window) => sum + this.#follow(window), 0);
    if (tick.segments > 0) repack(tick);
    return removed;
  }

  /** Removes the window's segments up to the tick that was visited last; returns how much work it was. */
  #follow(window: SessionWindow): number {
    for (let removed = 0; ; ) {
      const first = window.firstSegment;
      if (first === undefined || first.tick.id > this.#visitedTickId) {
        this.#lagging.delete(window);
        if (removed > 0 && first === undefined) this.#emptied.add(window);
        return removed;
      }
      const segment = window.prune();
      if (segment === undefined) {
        this.#lagging.add(window);
        return removed;
      }
      if (segment.batch === 0) {
        this.#archive(window, segment);
        removed += archivingWork;
      }
      this.#remove(segment);
      removed += 1;
    }
  }

  #archive(window: SessionWindow, { tick, start, end }: WindowSegment): void {
    const { sessionId } = window;
    const { firstSequence, events } = parsePart(tick.body.slice(start, end));
    const archived = events.map((event, index) => {
      return { sessionId, sequence: firstSequence + index, body: JSON.stringify(event) };
    });
    const before = this.#unarchived.get(window);
    if (before === undefined) this.#unarchived.set(window, archived);
    else before.push(...archived);
  }

  #remove(segment: WindowSegment): void {
    const { tick } = segment;
    this.#bytes -= bytesOf(segment);
    tick.segments -= 1;
    if (tick.segments === 0) this.#redundant.push(tick);
  }
}

/** Lets go of the text that nobody keeps any more of a tick that others keep something of. */
function repack(tick: WindowTick): void {
  let body = "";
  for (const window of new Set(tick.windows)) body += window.repack(tick, body.length);
  // A copy: what is cut out of a string would hold on to the whole of it.
  tick.body = Buffer.from(body).toString();
}
