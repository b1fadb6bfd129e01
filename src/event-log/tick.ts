import type { NewEvent } from "../chat/event.ts";
import type { EventBatch } from "../chat/event-log.ts";

/** The events of one append, on their way to the disk or back. */
export type TickPart = {
  sessionId: string;
  /** Empty on what belongs to no turn. */
  turnId: string;
  /** The highest that has written to the session, this part's included. */
  fence: number;
  /**
   * Of the turn, see EventBatch. Negative where it was written without a fence, as by a turn that waits or
   * is withdrawn; 0 where it belongs to no turn.
   */
  batch: number;
  firstSequence: number;
  events: readonly NewEvent[];
};

/** What is written at once: the appends of one tick, of all sessions. One row in the database. */
export type Tick = {
  /** Rises from tick to tick. */
  id: number;
  /** When it was written, milliseconds since 1970 UTC. */
  at: number;
  /** Its parts, one line of JSON each. */
  body: string;
};

/** Where a session's log stands once its events are gone. */
export type Head = { sessionId: string; lastSequence: number; fence: number };

/** The number that the batch has in a part. */
export function partBatch({ turnId, fence, batch }: EventBatch): number {
  if (turnId === "") return 0;
  return fence === 0 ? -batch : batch;
}

/** The part as the JSON that parsePart reads. */
export function serializePart({ sessionId, ...part }: TickPart): string {
  const { turnId, fence, batch, firstSequence, events } = part;
  // A list instead of an object: its names would be a third of a chunk's bytes.
  return JSON.stringify([sessionId, turnId, fence, batch, firstSequence, events]);
}

export function parsePart(json: string): TickPart {
  const [sessionId, turnId, fence, batch, firstSequence, events]: SavedPart = JSON.parse(json);
  return { sessionId, turnId, fence, batch, firstSequence, events };
}

type SavedPart = [string, string, number, number, number, NewEvent[]];

/** The body of a tick. */
export function joinParts(parts: readonly string[]): string {
  return parts.join(partSeparator);
}

/** The parts of a tick's body, each as JSON. */
export function splitParts(body: string): string[] {
  return body.split(partSeparator);
}

/** Not to be found inside of JSON, where a line's end is written as \\n. */
export const partSeparator = "\n";

/** An event of a session that belongs to no turn, kept when retention removes it from the window. */
export type ArchivedEvent = {
  sessionId: string;
  sequence: number;
  /** JSON: NewEvent. */
  body: string;
};

/** What retention has made redundant in a storage, and what is to be kept of it. */
export type Redundant = {
  archived: readonly ArchivedEvent[];
  tickIds: readonly number[];
  /** Where the sessions stand of which no event is kept. */
  heads: readonly Head[];
};

/** Where a log is kept beside memory. Every method may reject; then it has changed nothing. */
export interface TickStorage {
  /**
   * Calls `take` once, when it is about to write, and writes what that returns; undefined writes nothing.
   * Resolves when it survives `kill -9`.
   */
  write(take: () => Tick | undefined): Promise<void>;
  /** Archives and notes what is to be kept, then removes the ticks, all in one step. */
  remove(redundant: Redundant): Promise<void>;
  /** Archived events of the session after `afterSequence` and up to `throughSequence`, in order. */
  archived(
    sessionId: string,
    afterSequence: number,
    throughSequence: number,
  ): Promise<ArchivedEvent[]>;
  /** Notes where a session stands whose log goes on behind a gap. */
  note(head: Head): Promise<void>;
  /** Forgets a session, in the ticks up to `throughTickId` too. Repeating it is safe. */
  drop(sessionId: string, throughTickId: number): Promise<void>;
}
