import type { NewEvent } from "../chat/event.ts";
import type { Appended, EventBatch } from "../chat/event-log.ts";

/** The events of one append, on their way to the disk or back. */
export type TickPart = {
  sessionId: string;
  /** Empty on what belongs to no turn. */
  turnId: string;
  /** The highest that has written to the session, this part's included. */
  fence: number;
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

/** The part as the JSON that parsePart reads. */
export function serializePart(
  { sessionId, turnId, batch, events }: EventBatch,
  fence: number,
  { firstSequence }: Appended,
): string {
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

/** What retention has made redundant in a storage. */
export type Redundant = {
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
  remove(redundant: Redundant): Promise<void>;
  /** Forgets a session, in the ticks up to `throughTickId` too. Repeating it is safe. */
  drop(sessionId: string, throughTickId: number): Promise<void>;
}
