import { createEventLog, type EventLogOptions, type RetainedEventLog } from "./log.ts";
import type { ArchivedEvent, TickStorage } from "./tick.ts";

/** The event log of a process that keeps nothing: for tests, and for trying things out. */
export function createMemoryEventLog(options: EventLogOptions): Promise<RetainedEventLog> {
  return createEventLog(createArchive(), { ticks: noTicks(), heads: [], drops: [] }, options);
}

/** A storage that keeps what is archived, and nothing else. */
function createArchive(): TickStorage {
  const archive = new Map<string, ArchivedEvent[]>();
  return {
    write: (take) =>
      new Promise((resolve) => {
        // As the database does, so that the appends of one tick belong together here too.
        setImmediate(() => {
          take();
          resolve();
        });
      }),
    async remove({ archived }) {
      for (const event of archived) {
        const events = archive.get(event.sessionId);
        if (events === undefined) archive.set(event.sessionId, [event]);
        else events.push(event);
      }
    },
    archived: async (sessionId, afterSequence, throughSequence) =>
      (archive.get(sessionId) ?? []).filter(
        ({ sequence }) => sequence > afterSequence && sequence <= throughSequence,
      ),
    note: async () => {},
    drop: async (sessionId) => void archive.delete(sessionId),
  };
}

async function* noTicks(): AsyncGenerator<never> {}
