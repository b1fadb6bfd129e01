import type { Event, NewEvent } from "./event.ts";

/** The events that one turn, or the session itself, adds at once. */
export type EventBatch = {
  sessionId: string;
  /** Empty when the events belong to no turn. */
  turnId: string;
  /**
   * From Store.acquireTurn. 0 on what the session's owner does not decide alone, and so need not hold:
   * events of no turn, and of turns that wait or are withdrawn.
   */
  fence: number;
  /**
   * Names the batch within its turn, so that repeating it is safe: 1 + how many events of the turn came
   * before it (not consecutive numbers). 0 with an empty turnId.
   */
  batch: number;
  /** At least one. */
  events: readonly NewEvent[];
};

/** The sequences that a batch was given: `firstSequence` to `lastSequence`, one for each event, in order. */
export type Appended = { firstSequence: number; lastSequence: number };

/**
 * What happened in each session, in order, kept for a bounded time. While a turn runs the log is the
 * truth, afterwards the store is (DESIGN section 2, rule 12).
 */
export interface EventLog {
  /**
   * Records the batch and gives its events the next sequences of the session. Once it resolves the
   * events survive `kill -9`, and only then do readers see them. The appends of one tick are written
   * together.
   *
   * A batch that was appended before returns its first result. Throws `aborted`/STALE_FENCE when a
   * higher fence has written to the session, `unavailable`/STORAGE_UNAVAILABLE when the write failed:
   * then no sequence was assigned, and the same batch may be appended again.
   */
  append(batch: EventBatch): Promise<Appended>;

  /**
   * The session's events after `afterSequence`: those recorded, then each as it is recorded, in order,
   * none missing, none twice, at the reader's own pace. Ends when `signal` aborts, and when the session
   * is dropped.
   *
   * Throws `out_of_range`/SEQUENCE_OUT_OF_RANGE for a sequence that is still to come, and
   * `data_loss`/EVENTS_EXPIRED where retention has removed what the reader should get next.
   */
  read(sessionId: string, afterSequence: number, signal: AbortSignal): AsyncIterable<Event>;

  /**
   * The session's events that belong to no turn, after `afterSequence` and up to `throughSequence`, in order.
   * These are kept as long as the session is; a turn's are for the store to tell once retention has
   * removed them.
   */
  sessionEvents(
    sessionId: string,
    afterSequence: number,
    throughSequence: number,
  ): Promise<Event[]>;

  /** Sequence of the last event that retention removed; what comes after it `read` can give. */
  floor(sessionId: string): Promise<number>;

  /**
   * Goes on from `sequence` where the log ends before it, so that no sequence is used twice. What is
   * missing counts as removed by retention.
   */
  skipTo(sessionId: string, sequence: number): Promise<void>;

  /** The events of a turn whose end the store does not have (all of them are kept), in order; for recovery. */
  turnEvents(sessionId: string, turnId: string): Promise<Event[]>;

  /**
   * The store has the end of a turn that has ended: its events are no longer kept for that, and retention may
   * remove them. Until then it keeps them all, however long that is. Repeating it is safe.
   */
  release(sessionId: string, turnId: string): Promise<void>;

  /**
   * Releases every turn whose end the log had when it was opened, and lets retention begin, which removes nothing
   * by itself before. To be called once the store has these ends. Repeating it is safe.
   */
  startRetention(): Promise<void>;

  /** The sequence of the session's last event; 0 when it has none. */
  lastSequence(sessionId: string): Promise<number>;

  /** Forgets a session and ends its readers. Repeating it is safe. */
  drop(sessionId: string): Promise<void>;

  /** Waits for what is being written, then ends every reader. Later appends throw `unavailable`. */
  close(): Promise<void>;
}
