import { systemClock } from "./chat/clock.ts";
import type { EventLog } from "./chat/event-log.ts";
import type { Store } from "./chat/store.ts";
import type { Config } from "./config.ts";
import { createMemoryEventLog } from "./event-log/memory.ts";
import { createSqliteEventLog, eventLogModule } from "./event-log/sqlite.ts";
import { openDatabase } from "./sqlite/database.ts";
import { createMemoryStore } from "./store/memory.ts";
import { createSqliteStore, storeModule } from "./store/sqlite.ts";

/** Where sessions and events are kept. */
export type Storage = {
  store: Store;
  log: EventLog;
  /** How many recorded events the log's slowest open reader has still to take; for metrics. */
  readerLag?: () => number;
  /** Tells a second process where this one listens. */
  setUrl(url: string): Promise<void>;
  /** Writes what is under way and releases the files. */
  close(): Promise<void>;
};

/** Opens what DATABASE_URL names. Rejects with the errors of src/sqlite/errors.ts. */
export async function openStorage(config: Config): Promise<Storage> {
  const retention = {
    clock: systemClock,
    retentionMs: config.eventRetentionMs,
    retentionBytes: config.eventRetentionBytes,
  };
  if (config.database.type === "memory") {
    const log = await createMemoryEventLog(retention);
    return {
      store: createMemoryStore(),
      log,
      readerLag: log.readerLag,
      setUrl: async () => undefined,
      close: () => log.close(),
    };
  }
  const database = await openDatabase({
    file: config.database.path,
    durability: config.durability,
    modules: [storeModule, eventLogModule],
    owner: { url: `port ${config.port}` },
  });
  const log = await createSqliteEventLog(database, retention);
  const store = createSqliteStore(database);
  return {
    store,
    log,
    readerLag: log.readerLag,
    setUrl: (url) => database.setOwner({ url }),
    async close() {
      store.close();
      await log.close();
      await database.close();
    },
  };
}
