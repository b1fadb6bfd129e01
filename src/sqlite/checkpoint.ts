import type { DatabaseSync } from "node:sqlite";

/** Pages of the WAL (4 KiB each) past which it is moved into the database without waiting for idleness. */
const walPagesMax = 1_024;
/** How many batches may pass between two looks at the WAL's size. */
const batchesPerLook = 16;
/** How long nothing must have been written before the rest is moved, milliseconds. */
const idleMs = 250;

/** Moves the WAL into the database, on the worker's time. */
export interface Checkpointer {
  /** To be called after each batch. */
  afterBatch(): void;
  /** Moves everything and empties the WAL. */
  finish(): void;
}

/**
 * SQLite's own checkpoints run inside a commit. Here they run between batches: when the WAL has grown past
 * its bound, and when nothing has been written for a moment. One that fails is tried again with the next;
 * the WAL keeps what it could not move.
 */
export function createCheckpointer(database: DatabaseSync): Checkpointer {
  // An older SQLite takes NOOP (3.51) for PASSIVE, and so checkpoints at every look.
  const look = database.prepare("PRAGMA wal_checkpoint(NOOP)");
  const passive = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");
  const changes = database.prepare("SELECT total_changes() AS count");
  let batches = 0;
  let changesMoved = countChanges();
  let idle: NodeJS.Timeout | undefined;

  function countChanges(): number {
    return changes.get()?.count as number;
  }

  function checkpoint(): void {
    batches = 0;
    try {
      const count = countChanges();
      if (passive.get()?.busy === 0) changesMoved = count;
    } catch {
      // Disk full or not writable: the writers find out by themselves.
    }
  }

  function walPages(): number {
    batches = 0;
    const { log = 0, checkpointed = 0 } = look.get() as { log?: number; checkpointed?: number };
    return log - checkpointed;
  }

  return {
    afterBatch() {
      if (countChanges() === changesMoved) return;
      batches += 1;
      if (batches >= batchesPerLook && walPages() > walPagesMax) checkpoint();
      if (idle === undefined) idle = setTimeout(checkpoint, idleMs);
      else idle.refresh();
    },
    finish() {
      clearTimeout(idle);
      try {
        database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      } catch {
        // The next open moves what stayed in the WAL.
      }
    },
  };
}
