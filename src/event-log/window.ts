import type { ChatError } from "../chat/errors.ts";
import type { Event } from "../chat/event.ts";
import type { Appended, EventBatch } from "../chat/event-log.ts";
import { eventsExpired, staleFence } from "./errors.ts";
import { type KeptTick, type Segment, Segments } from "./segments.ts";
import { type Head, parsePart, type TickPart } from "./tick.ts";

export type WindowTick = KeptTick<SessionWindow>;
export type WindowSegment = Segment<WindowTick>;

/** How far the turn has come that has the highest fence; no other may write. */
type Progress = { fence: number; nextBatch: number; ended: boolean };

type Staged = Appended & { fence: number; batch: number; progress: Progress };

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
  /** Sequence of the last event that retention removed; 0 when it has removed none. */
  #floor: number;
  #lastSequence: number;
  #progress: Progress;
  #latest: Event[] = [];
  readonly #segments = new Segments<WindowTick>();
  #waiting: (() => void)[] = [];
  /** What is being written: decided, but not yet to be seen. */
  #staged: Staged[] = [];

  constructor({ sessionId, lastSequence, fence }: Head) {
    this.sessionId = sessionId;
    this.#floor = lastSequence;
    this.#lastSequence = lastSequence;
    // Retention removes nothing of a turn that has no end.
    this.#progress = { fence, nextBatch: 1, ended: true };
  }

  /** The highest that has written. */
  get fence(): number {
    return this.#progress.fence;
  }

  /** The same, with what is being written. */
  get stagedFence(): number {
    return (this.#staged.at(-1)?.progress ?? this.#progress).fence;
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
    const events: Event[] = [];
    for (let index = 0; index < this.#segments.length; index += 1) {
      const segment = this.#segments.at(index);
      if (segment === undefined || segment.batch === 0) continue;
      events.push(...parseSegment(segment).filter((event) => event.turnId === turnId));
    }
    return events;
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
  stage(appended: EventBatch, { firstSequence, lastSequence }: Appended): void {
    const { fence, batch } = appended;
    const progress = advance(this.#staged.at(-1)?.progress ?? this.#progress, appended);
    this.#staged.push({ firstSequence, lastSequence, fence, batch, progress });
  }

  unstage(): void {
    if (this.#staged.length > 0) this.#staged = [];
  }

  /**
   * Adds what has been written, whose JSON is the tick's body from `start` to `end`. Readers see it with
   * the next `wakeReaders`.
   */
  commit(part: Omit<TickPart, "sessionId">, tick: WindowTick, start: number, end: number): void {
    const { turnId, fence, firstSequence, events } = part;
    const lastSequence = firstSequence + events.length - 1;
    const batch = turnId === "" ? 0 : part.batch;
    this.#segments.push({ firstSequence, lastSequence, fence, batch, tick, start, end });
    this.#latest = toEvents(part);
    this.#lastSequence = lastSequence;
    this.#progress = advance(this.#progress, part);
  }

  wakeReaders(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Removes the oldest segment and returns it, unless its turn has no end yet. */
  prune(): WindowSegment | undefined {
    const segment = this.#segments.at(0);
    if (segment === undefined) return undefined;
    const { fence, ended } = this.#progress;
    if (segment.batch !== 0 && segment.fence === fence && !ended) return undefined;
    this.#segments.removeFirst(1);
    this.#floor = segment.lastSequence;
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

  #find({ fence, batch }: EventBatch): Appended | undefined {
    const found =
      this.#staged.find((one) => one.fence === fence && one.batch === batch) ??
      this.#segments.findLast(fence, batch);
    if (found === undefined) return undefined;
    return { firstSequence: found.firstSequence, lastSequence: found.lastSequence };
  }
}

function advance(
  progress: Progress,
  { turnId, fence, batch, events }: Omit<TickPart, "sessionId" | "firstSequence">,
): Progress {
  if (turnId !== "") {
    const ended = events.some(({ type }) => type === "end");
    return { fence, nextBatch: batch + events.length, ended };
  }
  // A part that belongs to no turn has the highest fence with it, for the time when it alone is left.
  return fence > progress.fence ? { fence, nextBatch: 1, ended: true } : progress;
}

function parseSegment({ tick, start, end }: WindowSegment): Event[] {
  return toEvents(parsePart(tick.body.slice(start, end)));
}

function toEvents({ turnId, firstSequence, events }: Omit<TickPart, "sessionId">): Event[] {
  return events.map((event, index) => ({ ...event, sequence: firstSequence + index, turnId }));
}
