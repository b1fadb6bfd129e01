import { ChatError } from "./errors.ts";
import type { Event } from "./event.ts";
import type { EventLog } from "./event-log.ts";
import type { Store } from "./store.ts";
import { eventsOf } from "./turn-layout.ts";

/** Stored turns read at a time. */
const turnsAtOnce = 16;

/**
 * A session's events after `afterSequence`, then each as it is recorded: from the log, and where retention
 * has removed them, or removes them under a slow reader, from the stored turns. No gap, no repeat, in order
 * (DESIGN section 2, rule 6). Ends and throws as EventLog.read does, without EVENTS_EXPIRED.
 */
export async function* readEvents(
  store: Store,
  log: EventLog,
  sessionId: string,
  afterSequence: number,
  signal: AbortSignal,
): AsyncGenerator<Event> {
  let sequence = afterSequence;
  for (;;) {
    const floor = await log.floor(sessionId);
    for await (const event of storedEvents(store, log, sessionId, sequence, floor)) {
      if (signal.aborted) return;
      yield event;
    }
    sequence = Math.max(sequence, floor);
    try {
      for await (const event of log.read(sessionId, sequence, signal)) {
        sequence = event.sequence;
        yield event;
      }
      return;
    } catch (error) {
      const expired = error instanceof ChatError && error.reason === "EVENTS_EXPIRED";
      if (!expired) throw error;
    }
  }
}

/** What the log no longer has, up to `through`, told again from the store. */
async function* storedEvents(
  store: Store,
  log: EventLog,
  sessionId: string,
  after: number,
  through: number,
): AsyncGenerator<Event> {
  let sequence = after;
  while (sequence < through) {
    const turns = await store.turnsAfter(sessionId, sequence, turnsAtOnce + 1);
    const events = turns.slice(0, turnsAtOnce).flatMap(eventsOf);
    // The next turn's first event may come between those of the turns before it.
    const [next] = turns.slice(turnsAtOnce).flatMap(eventsOf).filter(isAfter(sequence));
    const safe = Math.min(next ? next.sequence - 1 : through, through);
    events.push(...(await log.sessionEvents(sessionId, sequence, safe)));
    const due = events.filter((event) => event.sequence > sequence && event.sequence <= safe);
    yield* due.sort((one, other) => one.sequence - other.sequence);
    sequence = safe;
  }
}

function isAfter(sequence: number) {
  return (event: Event) => event.sequence > sequence;
}
