import { type ChatResponse, ChatResponse_Type as EventType } from "../gen/chat/chat_pb.ts";

/** A place in a session's events: everything up to `sequence` is known. */
export type Cursor = {
  /** 0 before the first event. */
  sequence: bigint;
  /** The epoch that the sequence belongs to; 0 where it is not known yet. */
  epoch: number;
};

/** An event to deliver, and where the consumer is once it has it. */
export type Placed = { event: ChatResponse; cursor: Cursor };

/**
 * What to do with a recorded event. `missing`: one before it was not delivered. `epoch`: it belongs to
 * another epoch than the cursor.
 */
export type Verdict =
  | { kind: "deliver"; placed: Placed[] }
  | { kind: "missing"; expected: bigint }
  | { kind: "epoch"; epoch: number };

/** Follows the sequences of one stream after another, so that no event is missed and none comes twice. */
export type SequenceTracker = {
  /** Where a resumed stream has to begin. */
  cursor(): Cursor;
  /** Judges the next recorded event of the stream. What was seen before is delivered as nothing. */
  take(event: ChatResponse): Verdict;
  /** Everything up to now is delivered: what is held back is complete. */
  flush(): Placed[];
  /** The stream was lost: what is held back comes again. */
  lost(): void;
  /** Learns the epoch, or goes on from elsewhere. */
  reset(cursor: Cursor): void;
};

/**
 * `dense`: every sequence comes (WatchSession). Otherwise sequences may skip (StreamChat), and only the
 * numbers of a turn's chunks tell that one is missing.
 *
 * CHUNKs that stand for several (`from_sequence`) come one per kind, and their ranges may overlap where
 * thoughts and reply alternated. A cursor between them would lose text, so they are held back until the event
 * after them shows that all have come.
 */
export function createSequenceTracker(
  start: Cursor,
  { dense }: { dense: boolean },
): SequenceTracker {
  let cursor = start;
  let held: ChatResponse[] = [];
  let chunkNumber: number | undefined;

  const epochOf = (event: ChatResponse) => event.epoch || cursor.epoch;

  function flush(): Placed[] {
    if (held.length === 0) return [];
    const before = cursor;
    const last = held.at(-1) as ChatResponse;
    cursor = { sequence: lastSequence(held), epoch: epochOf(last) };
    const placed = held.map((event) => ({ event, cursor: event === last ? cursor : before }));
    held = [];
    return placed;
  }

  /** The sequence that is missing before this event; undefined where none is. */
  function missingBefore(event: ChatResponse): bigint | undefined {
    const next = (held.length > 0 ? lastSequence(held) : cursor.sequence) + 1n;
    if (dense) return firstSequence(event) > next ? next : undefined;
    if (chunkNumber === undefined || standsForSeveral(event)) return undefined;
    const chunksBefore = event.type === EventType.CHUNK ? event.chunkNumber - 1 : event.totalChunks;
    return chunksBefore > chunkNumber ? next : undefined;
  }

  /** What the number of the turn's latest chunk is now; undefined where it is not known. */
  function note({ type, chunkNumber: number, isFinal, fromSequence }: ChatResponse): void {
    if (type === EventType.CHUNK) chunkNumber = fromSequence > 0n ? undefined : number;
    else if (type === EventType.RESPONSE_START) chunkNumber = 0;
    else if (isFinal) chunkNumber = undefined;
  }

  return {
    cursor: () => cursor,
    take(event) {
      if (cursor.epoch !== 0 && epochOf(event) !== cursor.epoch) {
        return { kind: "epoch", epoch: event.epoch };
      }
      if (event.sequence <= cursor.sequence) return { kind: "deliver", placed: [] };
      if (held.some(({ sequence }) => sequence === event.sequence)) {
        return { kind: "deliver", placed: [] };
      }
      const missing = missingBefore(event);
      if (missing !== undefined) return { kind: "missing", expected: missing };
      note(event);
      if (standsForSeveral(event) || isInside(held, event)) {
        held.push(event);
        return { kind: "deliver", placed: [] };
      }
      const placed = flush();
      cursor = { sequence: event.sequence, epoch: epochOf(event) };
      placed.push({ event, cursor });
      return { kind: "deliver", placed };
    },
    flush,
    lost() {
      held = [];
    },
    reset(to) {
      cursor = to;
      held = [];
      chunkNumber = undefined;
    },
  };
}

const standsForSeveral = (event: ChatResponse) => event.fromSequence > 0n;

const firstSequence = (event: ChatResponse) => event.fromSequence || event.sequence;

/** The held events are never empty here. */
function lastSequence(held: readonly ChatResponse[]): bigint {
  let last = 0n;
  for (const { sequence } of held) if (sequence > last) last = sequence;
  return last;
}

/** A single chunk among those that stand for several: its kind had no more in that range. */
function isInside(held: readonly ChatResponse[], event: ChatResponse): boolean {
  return held.length > 0 && event.sequence < lastSequence(held);
}
