import type { Appended } from "../chat/event-log.ts";
import { Queue } from "./queue.ts";

/** A tick in memory, for as long as an event of it is kept. */
export type KeptTick<Window> = {
  readonly id: number;
  readonly at: number;
  /** JSON of its parts. */
  body: string;
  /** How many segments of it windows still keep. */
  segments: number;
  /** Whose these segments are. */
  readonly windows: Window[];
};

/** The events of one append: where they stand in the session, and where their JSON is. */
export type Segment<Tick> = Appended & {
  readonly fence: number;
  /** 0 where the events belong to no turn. */
  readonly batch: number;
  readonly tick: Tick;
  /** Its part of the tick's body. */
  readonly start: number;
  readonly end: number;
};

/** Numbers of a segment: first and last sequence, fence, batch, start, end. */
const width = 6;

/** What a segment takes in memory beside its JSON, bytes. */
const overheadBytes = width * 8 + 8;

/** About what a segment takes in memory. */
export function bytesOf({ start, end }: { start: number; end: number }): number {
  return end - start + overheadBytes;
}

/**
 * The segments of a session, oldest first. They are kept as plain numbers beside the text of whole ticks,
 * because there may be millions: one object each costs more time in the garbage collector than all that
 * is done with them.
 */
export class Segments<Tick extends { readonly id: number }> {
  readonly #numbers = new Queue<number>(0);
  readonly #ticks = new Queue<Tick | undefined>(undefined);

  get length(): number {
    return this.#ticks.length;
  }

  at(index: number): Segment<Tick> | undefined {
    const tick = this.#ticks.at(index);
    if (tick === undefined) return undefined;
    return {
      firstSequence: this.#number(index, 0),
      lastSequence: this.#number(index, 1),
      fence: this.#number(index, 2),
      batch: this.#number(index, 3),
      start: this.#number(index, 4),
      end: this.#number(index, 5),
      tick,
    };
  }

  push(segment: Segment<Tick>): void {
    this.#numbers.push(segment.firstSequence);
    this.#numbers.push(segment.lastSequence);
    this.#numbers.push(segment.fence);
    this.#numbers.push(segment.batch);
    this.#numbers.push(segment.start);
    this.#numbers.push(segment.end);
    this.#ticks.push(segment.tick);
  }

  removeFirst(count: number): void {
    this.#numbers.removeFirst(count * width);
    this.#ticks.removeFirst(count);
  }

  /** The segment's JSON is now at `start` of its tick's body. */
  move(index: number, start: number): void {
    const length = this.#number(index, 5) - this.#number(index, 4);
    this.#numbers.set(index * width + 4, start);
    this.#numbers.set(index * width + 5, start + length);
  }

  /** The segment that holds the sequence. */
  holding(sequence: number): Segment<Tick> | undefined {
    return this.at(this.#search((index) => this.#number(index, 1) >= sequence));
  }

  /** The index of the first segment of that tick or a later one; `length` when there is none. */
  indexOfTick(tickId: number): number {
    return this.#search((index) => (this.#ticks.at(index)?.id ?? 0) >= tickId);
  }

  findLast(fence: number, batch: number): Segment<Tick> | undefined {
    for (let index = this.length - 1; index >= 0; index -= 1) {
      if (this.#number(index, 2) === fence && this.#number(index, 3) === batch) {
        return this.at(index);
      }
    }
    return undefined;
  }

  #number(index: number, field: number): number {
    return this.#numbers.at(index * width + field) ?? 0;
  }

  /** The first index that passes; those behind it pass too. */
  #search(passes: (index: number) => boolean): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (passes(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
