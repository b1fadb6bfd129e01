import type { Event, NewEvent } from "./event.ts";
import type { EventLog } from "./event-log.ts";

/**
 * Writes one turn's events in order, at the log's pace: what is pushed while an append is under way goes
 * together in the next. The model never waits for it; memory is bounded by the reply.
 */
export interface TurnWriter {
  /** Takes an event on its way. Dropped silently once an append has failed. */
  push(event: NewEvent): void;
  /** Resolves when all that was pushed is recorded; throws what the failed append threw. */
  flush(): Promise<void>;
  /** Takes events that must be in one append. */
  pushAll(events: readonly NewEvent[]): void;
  /** Appends the turn's last events, also after a failed append; throws when this one fails. May be repeated. */
  append(events: readonly NewEvent[]): Promise<void>;
}

type TurnWriterOptions = {
  log: EventLog;
  sessionId: string;
  turnId: string;
  fence: number;
  /** How many events of the turn the log has. */
  recorded: () => number;
  /** Called with each batch once it is recorded. */
  onRecorded: (events: readonly Event[]) => void;
  /** Called once, when an append has failed. */
  onFailure?: (error: unknown) => void;
};

export function createTurnWriter(options: TurnWriterOptions): TurnWriter {
  const { log, sessionId, turnId, fence, recorded, onRecorded, onFailure } = options;
  let pending: NewEvent[] = [];
  let writing: Promise<void> | undefined;
  let failure: { error: unknown } | undefined;

  const append = async (events: readonly NewEvent[]) => {
    const batch = recorded() + 1;
    const { firstSequence } = await log.append({ sessionId, turnId, fence, batch, events });
    onRecorded(events.map((event, i) => ({ ...event, sequence: firstSequence + i, turnId })));
  };

  const writeAll = async () => {
    // What is pushed in one go is recorded in one.
    await Promise.resolve();
    try {
      while (pending.length > 0) {
        const events = pending;
        pending = [];
        await append(events);
      }
    } catch (error) {
      failure = { error };
      pending = [];
      onFailure?.(error);
    } finally {
      // Here and not later: what is pushed from now on needs another round.
      writing = undefined;
    }
  };

  const pushAll = (events: readonly NewEvent[]) => {
    if (failure) return;
    pending.push(...events);
    writing ??= writeAll();
  };
  return {
    push: (event) => pushAll([event]),
    pushAll,
    async flush() {
      while (writing) await writing;
      if (failure) throw failure.error;
    },
    async append(events) {
      while (writing) await writing;
      await append(events);
    },
  };
}
