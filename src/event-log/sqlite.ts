import { type Caller, createCaller, type Database } from "../sqlite/database.ts";
import { siblingModule } from "../sqlite/sibling-module.ts";
import { createEventLog, type EventLogOptions, type RetainedEventLog } from "./log.ts";
import type { EventLogOperations } from "./sqlite-operations.ts";
import type { Tick, TickStorage } from "./tick.ts";

/** What the database has to be opened with for this event log. */
export const eventLogModule: URL = siblingModule("sqlite-operations", import.meta.url);

/**
 * The event log in a SQLite file. The file gets one row a tick and is read once, here; readers are served
 * from memory. What it has resolved survives `kill -9`; the sync that a power cut asks for comes with the
 * store's endTurn, which goes through the same file.
 */
export async function createSqliteEventLog(
  database: Database,
  options: EventLogOptions,
): Promise<RetainedEventLog> {
  const call = createCaller<EventLogOperations>(database, "eventLog");
  const storage: TickStorage = {
    write: (take) => call("append", take),
    remove: (redundant) => call("remove", redundant),
    archived: (sessionId, afterSequence, throughSequence) =>
      call("archived", { sessionId, afterSequence, throughSequence }),
    note: (head) => call("note", head),
    drop: (sessionId, throughTickId) => call("drop", { sessionId, throughTickId }),
  };
  const [heads, drops] = await Promise.all([
    call("loadHeads", undefined),
    call("loadDrops", undefined),
  ]);
  return createEventLog(storage, { ticks: readTicks(call), heads, drops }, options);
}

async function* readTicks(call: Caller<EventLogOperations>): AsyncGenerator<Tick> {
  for (let afterId = 0; ; ) {
    const ticks = await call("load", { afterId });
    const last = ticks.at(-1);
    if (last === undefined) return;
    yield* ticks;
    afterId = last.id;
  }
}
