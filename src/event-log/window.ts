import type { ChatError } from "../chat/errors.ts";
import type { Event } from "../chat/event.ts";
import type { Appended, EventBatch } from "../chat/event-log.ts";
import { eventsExpired, staleFence } from "./errors.ts";
import { type KeptTick, type Segment, Segments } from "./segments.ts";
import { type Head, parsePart, type TickPart } from "./tick.ts";
import { advance, hasEnd, noTurn, type TurnProgress } from "./turn-progress.ts";

export type WindowTick = KeptTick<SessionWindow>;
export type WindowSegment = Segment<WindowTick>;

/** What a window takes of a tick's part. */
export type WindowPart = Omit<TickPart, "sessionId">;

/** `batch` as in a TickPart. */
type Staged = Appended & {
  turnId: string;
  fence: number;
  batch: number;
  ends: boolean;
  progress: TurnProgress;
};

/** What an append comes to: its place, or why it has none. */
export type Verdict = { accepted: Appended } | { repeated: Appended } | { refused: ChatError };

/**
 * One session's events between the retention floor and the last one. Readers take them from here by
 * sequence, each at its own pace; nothing is kept per reader but those that wait. The latest append is
 * kept as objects, for the readers that keep up; everything else as JSON.
 */
export class SessionWindow {
  readonly sessionId: string;
  /** The session was dropped, or the log closed: readers end. */
  closed = false;
  #floor: number;
  #lastSequence: number;
  #progress: TurnProgress;
  #latest: Event[] = [];
  readonly #segments = new Segments<WindowTick>();
  /** Turns that have written without a fence and whose end the store does not have; whether there is one. */
  readonly #unfencedTurns = new Map<string, { ended: boolean }>();
  #waiting: (() => void)[] = [];
  /** What is being written: decided, but not yet to be seen. */
  #staged: Staged[] = [];

  constructor({ sessionId, lastSequence, fence }: Head) {
    this.sessionId = sessionId;
    this.#floor = lastSequence;
    this.#lastSequence = lastSequence;
    // Retention removes nothing of a turn whose end is not stored.
    this.#progress = noTurn(fence);
  }

  /** The highest that has written. */
  get fence(): number {
    return this.#progress.fence;
  }

  /** The same, with what is being written. */
  get stagedFence(): number {
    return (this.#staged.at(-1)?.progress ?? this.#progress).fence;
  }

  /** Sequence of the last event that retention removed; 0 when it has removed none. */
  get floor(): number {
    return this.#floor;
  }

  /** Something of it is being written. */
  get isStaged(): boolean {
    return this.#staged.length > 0;
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  get firstSegment(): WindowSegment | undefined {
    return this.#segments.at(0);
  }

  /** Nothing was ever recorded, and nobody waits for it. */
  get isUnused(): boolean {
    return this.#lastSequence === 0 && this.#staged.length === 0 && this.#waiting.length === 0;
  }

  /**
   * The events from that sequence on which were appended with it; none where it is still to come. Throws
   * EVENTS_EXPIRED.
   */
  from(sequence: number): readonly Event[] {
    if (sequence > this.#lastSequence) return [];
    if (sequence <= this.#floor) throw eventsExpired(sequence, this.#floor, this.#lastSequence);
    const first = this.#latest[0]?.sequence;
    if (first === sequence) return this.#latest;
    if (first !== undefined && first < sequence) return this.#latest.slice(sequence - first);
    const segment = this.#segments.holding(sequence);
    if (segment === undefined) throw new Error(`event ${sequence} has no segment`);
    return parseSegment(segment).slice(sequence - segment.firstSequence);
  }

  /** The kept events of a turn, in order. */
  eventsOf(turnId: string): Event[] {
    return this.#eventsIn(({ batch }) => batch !== 0).filter((event) => event.turnId === turnId);
  }

  /** The kept events that belong to no turn, after one sequence and up to another, in order. */
  sessionEvents(afterSequence: number, throughSequence: number): Event[] {
    return this.#eventsIn(({ batch }) => batch === 0).filter(
      ({ sequence }) => sequence > afterSequence && sequence <= throughSequence,
    );
  }

  /**
   * Goes on from `sequence`. What was before it is kept as long as retention has it, but `from` no longer
   * gives it: behind it is a gap.
   */
  skipTo(sequence: number): void {
    this.#floor = sequence;
    this.#lastSequence = sequence;
    this.#latest = [];
  }

  /** Calls `wake` once, when there is news: events, or the end. */
  wait(wake: () => void): void {
    this.#waiting.push(wake);
  }

  stopWaiting(wake: () => void): void {
    this.#waiting = this.#waiting.filter((other) => other !== wake);
  }

  /** Decides about an append, what is being written considered. It changes nothing. */
  judge(batch: EventBatch): Verdict {
    const last = this.#staged.at(-1);
    const firstSequence = (last?.lastSequence ?? this.#lastSequence) + 1;
    const accepted = { firstSequence, lastSequence: firstSequence + batch.events.length - 1 };
    if (batch.turnId === "") return { accepted };
    if (batch.fence === 0) return this.#judgeUnfenced(batch, accepted);
    const progress = last?.progress ?? this.#progress;
    if (batch.fence > progress.fence) return { accepted };
    if (batch.fence < progress.fence) {
      return { refused: staleFence(batch, "a higher fence has written to the session") };
    }
    const repeated = batch.batch < progress.nextBatch ? this.#find(batch) : undefined;
    if (repeated !== undefined) return { repeated };
    if (progress.ended) return { refused: staleFence(batch, "the turn has ended") };
    if (batch.batch >= progress.nextBatch) return { accepted };
    return { refused: staleFence(batch, "it has written other events in this place") };
  }

  /** Keeps the place of an accepted append for what is judged next, until `commit` or `unstage`. */
  stage(part: WindowPart, { firstSequence, lastSequence }: Appended): void {
    const { turnId, fence, batch } = part;
    const progress = advance(this.#staged.at(-1)?.progress ?? this.#progress, part);
    // Asked for only of what was written without a fence.
    const ends = batch < 0 && hasEnd(part);
    this.#staged.push({ firstSequence, lastSequence, turnId, fence, batch, ends, progress });
  }

  unstage(): void {
    if (this.#staged.length > 0) this.#staged = [];
  }

  /**
   * Adds what has been written, whose JSON is the tick's body from `start` to `end`. Readers see it with
   * the next `wakeReaders`.
   */
  commit(part: WindowPart, tick: WindowTick, start: number, end: number): void {
    const { fence, batch, firstSequence, events } = part;
    const lastSequence = firstSequence + events.length - 1;
    this.#segments.push({ firstSequence, lastSequence, fence, batch, tick, start, end });
    this.#latest = toEvents(part);
    this.#lastSequence = lastSequence;
    this.#progress = advance(this.#progress, part);
    if (batch < 0 || this.#unfencedTurns.size > 0) this.#noteUnfenced(part);
  }

  wakeReaders(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** The store has the end of that turn. */
  release(turnId: string): void {
    const progress = this.#progress;
    if (progress.turnId === turnId && progress.ended) {
      this.#progress = { ...progress, stored: true };
    }
    if (this.#unfencedTurns.get(turnId)?.ended === true) this.#unfencedTurns.delete(turnId);
  }

  /** The store has the ends of all turns that have one. */
  releaseEnded(): void {
    this.release(this.#progress.turnId);
    for (const turnId of this.#unfencedTurns.keys()) this.release(turnId);
  }

  /** Removes the oldest segment and returns it, unless the store may still need it: it has no end of its turn. */
  prune(): WindowSegment | undefined {
    const segment = this.#segments.at(0);
    if (segment === undefined) return undefined;
    if (this.#isHeld(segment)) return undefined;
    this.#segments.removeFirst(1);
    this.#floor = Math.max(this.#floor, segment.lastSequence);
    if (this.#segments.length === 0) this.#latest = [];
    return segment;
  }

  /** Moves its segments of a tick to `offset` of the tick's next body; returns their JSON. */
  repack(tick: WindowTick, offset: number): string {
    let text = "";
    for (let index = this.#segments.indexOfTick(tick.id); ; index += 1) {
      const segment = this.#segments.at(index);
      if (segment?.tick !== tick) return text;
      this.#segments.move(index, offset + text.length);
      text += tick.body.slice(segment.start, segment.end);
    }
  }

  /** Ends the readers. Returns every segment, for the books; the window is of no use afterwards. */
  close(): WindowSegment[] {
    this.closed = true;
    this.wakeReaders();
    const segments: WindowSegment[] = [];
    for (let index = 0; index < this.#segments.length; index += 1) {
      const segment = this.#segments.at(index);
      if (segment !== undefined) segments.push(segment);
    }
    this.#segments.removeFirst(segments.length);
    return segments;
  }

  /** The turn that runs is not disturbed; a turn repeats, and ends, as with a fence. */
  #judgeUnfenced(batch: EventBatch, accepted: Appended): Verdict {
    const { turnId } = batch;
    const written = this.#writtenUnfenced(turnId);
    const repeated = written.find((one) => one.batch === -batch.batch);
    if (repeated !== undefined) return { repeated: placeOf(repeated) };
    const progress = this.#staged.at(-1)?.progress ?? this.#progress;
    const ended = progress.turnId === turnId && progress.ended;
    if (ended || written.some(({ ends }) => ends)) {
      return { refused: staleFence(batch, "the turn has ended") };
    }
    const last = written.at(-1);
    if (
      last !== undefined &&
      batch.batch < last.lastSequence - last.firstSequence + 1 - last.batch
    ) {
      return { refused: staleFence(batch, "it has written other events in this place") };
    }
    return { accepted };
  }

  /** What a turn has written without a fence, in order. */
  #writtenUnfenced(turnId: string): (Appended & { batch: number; ends: boolean })[] {
    const written: (Appended & { batch: number; ends: boolean })[] = [];
    for (const segment of this.#segmentsWhere(({ batch }) => batch < 0)) {
      const part = parsePart(textOf(segment));
      if (part.turnId !== turnId) continue;
      written.push({ ...placeOf(segment), batch: segment.batch, ends: hasEnd(part) });
    }
    return [...written, ...this.#staged.filter((one) => one.batch < 0 && one.turnId === turnId)];
  }

  #noteUnfenced(part: WindowPart): void {
    const isKnown = part.batch < 0 || this.#unfencedTurns.has(part.turnId);
    if (isKnown) this.#unfencedTurns.set(part.turnId, { ended: hasEnd(part) });
  }

  /** Whether it belongs to a turn whose end the store does not have. */
  #isHeld(segment: WindowSegment): boolean {
    const { fence, stored } = this.#progress;
    if (segment.batch > 0) return segment.fence === fence && !stored;
    if (segment.batch === 0 || this.#unfencedTurns.size === 0) return false;
    return this.#unfencedTurns.has(parsePart(textOf(segment)).turnId);
  }

  #eventsIn(test: (segment: WindowSegment) => boolean): Event[] {
    return this.#segmentsWhere(test).flatMap(parseSegment);
  }

  #segmentsWhere(test: (segment: WindowSegment) => boolean): WindowSegment[] {
    const found: WindowSegment[] = [];
    for (let index = 0; index < this.#segments.length; index += 1) {
      const segment = this.#segments.at(index);
      if (segment !== undefined && test(segment)) found.push(segment);
    }
    return found;
  }

  #find({ fence, batch }: EventBatch): Appended | undefined {
    const found =
      this.#staged.find((one) => one.fence === fence && one.batch === batch) ??
      this.#segments.findLast(fence, batch);
    return found && placeOf(found);
  }
}

function placeOf({ firstSequence, lastSequence }: Appended): Appended {
  return { firstSequence, lastSequence };
}

function textOf({ tick, start, end }: WindowSegment): string {
  return tick.body.slice(start, end);
}

function parseSegment(segment: WindowSegment): Event[] {
  return toEvents(parsePart(textOf(segment)));
}

function toEvents({ turnId, firstSequence, events }: WindowPart): Event[] {
  return events.map((event, index) => ({ ...event, sequence: firstSequence + index, turnId }));
}
