import type { NewEvent, Recorded } from "./event.ts";
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
  /** How many of the turn's events the log has. */
  recorded(): number;
  /** Appends the turn's last event, also after a failed append; throws when this one fails. May be repeated. */
  append<E extends NewEvent>(event: E): Promise<Recorded<E>>;
}

type TurnWriterOptions = {
  log: EventLog;
  sessionId: string;
  turnId: string;
  fence: number;
  /** How many events of the turn the log already has. */
  recorded?: number;
  /** Called with each batch once it is recorded. */
  onRecorded?: (events: readonly NewEvent[]) => void;
  /** Called once, when an append has failed. */
  onFailure?: (error: unknown) => void;
};

export function createTurnWriter(options: TurnWriterOptions): TurnWriter {
  const { log, sessionId, turnId, fence, onRecorded, onFailure } = options;
  let recorded = options.recorded ?? 0;
  let pending: NewEvent[] = [];
  let writing: Promise<void> | undefined;
  let failure: { error: unknown } | undefined;

  const append = async (events: readonly NewEvent[]) => {
    const batch = recorded + 1;
    const appended = await log.append({ sessionId, turnId, fence, batch, events });
    recorded += events.length;
    onRecorded?.(events);
    return appended;
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

  return {
    push(event) {
      if (failure) return;
      pending.push(event);
      writing ??= writeAll();
    },
    async flush() {
      while (writing) await writing;
      if (failure) throw failure.error;
    },
    recorded: () => recorded,
    async append(event) {
      while (writing) await writing;
      const { firstSequence } = await append([event]);
      return { ...event, sequence: firstSequence, turnId };
    },
  };
}
