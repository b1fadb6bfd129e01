import type { DatabaseSync } from "node:sqlite";
import type { WalState } from "./protocol.ts";

/** Tells how large the WAL is after a batch; undefined where the batch wrote nothing. */
export type WalGauge = () => WalState | undefined;

export function createWalGauge(database: DatabaseSync): WalGauge {
  // An older SQLite takes NOOP (3.51) for PASSIVE, and so checkpoints at every look.
  const look = database.prepare("PRAGMA wal_checkpoint(NOOP)");
  const changes = database.prepare("SELECT total_changes() AS count");
  let seen = changes.get()?.count;
  return () => {
    const count = changes.get()?.count;
    if (count === seen) return undefined;
    seen = count;
    return stateOf(look.get());
  };
}

/**
 * Moves as much of the WAL into the database as no reader needs, beside a connection that writes. Undefined
 * where it failed; then the WAL keeps what could not be moved, and the next one tries again.
 */
export type Checkpoint = () => WalState | undefined;

export function createCheckpoint(database: DatabaseSync): Checkpoint {
  const passive = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");
  return () => {
    try {
      return stateOf(passive.get());
    } catch {
      // Disk full or not writable: the writers find out by themselves.
      return undefined;
    }
  };
}

/** Moves everything and empties the WAL; for the last connection. */
export function emptyWal(database: DatabaseSync): void {
  try {
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch {
    // The next open moves what stayed in the WAL.
  }
}

function stateOf(row: unknown): WalState {
  const { log = 0, checkpointed = 0 } = row as { log?: number; checkpointed?: number };
  return { pages: log, unmoved: log - checkpointed };
}
