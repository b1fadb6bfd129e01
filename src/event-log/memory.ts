import { createEventLog, type EventLogOptions, type RetainedEventLog } from "./log.ts";
import type { TickStorage } from "./tick.ts";

/** The event log of a process that keeps nothing: for tests, and for trying things out. */
export function createMemoryEventLog(options: EventLogOptions): Promise<RetainedEventLog> {
  return createEventLog(nowhere, { ticks: noTicks(), heads: [], drops: [] }, options);
}

const nowhere: TickStorage = {
  write: (take) =>
    new Promise((resolve) => {
      // As the database does, so that the appends of one tick belong together here too.
      setImmediate(() => {
        take();
        resolve();
      });
    }),
  remove: async () => {},
  drop: async () => {},
};

async function* noTicks(): AsyncGenerator<never> {}
