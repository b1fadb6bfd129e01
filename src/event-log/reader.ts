import type { Event } from "../chat/event.ts";
import { sequenceOutOfRange } from "./errors.ts";
import type { SessionWindow } from "./window.ts";

type Result = IteratorResult<Event, undefined>;

const done: Result = { done: true, value: undefined };

/** Where a reader gets its window from. */
export type WindowSource = {
  /** Called with the first `next`. */
  open(reader: WindowReader): SessionWindow;
  /** Called when the reader has ended. */
  release(window: SessionWindow, reader: WindowReader): void;
};

/**
 * Reads a window from one sequence on. It holds a number, the rest of one append, and while it
 * waits a place among the waiting; it starts nothing of its own, so one that is never advanced costs nothing. Its
 * listener on the signal lives from the first `next` to the end.
 */
export class WindowReader implements AsyncIterableIterator<Event, undefined> {
  readonly #source: WindowSource;
  readonly #signal: AbortSignal;
  #window: SessionWindow | undefined;
  /** Events of one append, of which `#given` have been given. */
  #ready: readonly Event[] = [];
  #given = 0;
  #lastRead: number;
  #ended = false;
  #pending: { resolve: (result: Result) => void; reject: (error: unknown) => void } | undefined;

  constructor(source: WindowSource, afterSequence: number, signal: AbortSignal) {
    this.#source = source;
    this.#lastRead = afterSequence;
    this.#signal = signal;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    if (this.#pending !== undefined) {
      return Promise.reject(new Error("the reader is already being advanced"));
    }
    try {
      const result = this.#read();
      if (result !== undefined) return Promise.resolve(result);
    } catch (error) {
      this.#end();
      return Promise.reject(error);
    }
    return this.#wait();
  }

  /** How many events are recorded that it has not given. */
  get lag(): number {
    const window = this.#window;
    if (window === undefined || window.closed) return 0;
    return Math.max(0, window.lastSequence - this.#lastRead);
  }

  return(): Promise<Result> {
    this.#end();
    return Promise.resolve(done);
  }

  /** What there is to give now; undefined when it is still to come. */
  #read(): Result | undefined {
    if (this.#signal.aborted) this.#end();
    if (this.#ended) return done;
    const window = this.#window ?? this.#begin();
    if (window.closed) {
      this.#end();
      return done;
    }
    if (this.#given === this.#ready.length) {
      this.#ready = window.from(this.#lastRead + 1);
      this.#given = 0;
    }
    const value = this.#ready[this.#given];
    if (value === undefined) return undefined;
    this.#given += 1;
    this.#lastRead = value.sequence;
    return { done: false, value };
  }

  #begin(): SessionWindow {
    const window = this.#source.open(this);
    this.#window = window;
    this.#signal.addEventListener("abort", this.#onAbort, { once: true });
    if (this.#lastRead > window.lastSequence) {
      throw sequenceOutOfRange(this.#lastRead, window.lastSequence);
    }
    return window;
  }

  #wait(): Promise<Result> {
    this.#window?.wait(this.#onNews);
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
    });
  }

  readonly #onAbort = (): void => this.#end();

  readonly #onNews = (): void => {
    const pending = this.#pending;
    this.#pending = undefined;
    try {
      pending?.resolve(this.#read() ?? done);
    } catch (error) {
      this.#end();
      pending?.reject(error);
    }
  };

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#signal.removeEventListener("abort", this.#onAbort);
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined) {
      this.#window?.stopWaiting(this.#onNews);
      pending.resolve(done);
    }
    if (this.#window !== undefined) this.#source.release(this.#window, this);
  }
}
