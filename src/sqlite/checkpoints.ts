import type { BatchQueue } from "./batch-queue.ts";
import type { WalState } from "./protocol.ts";
import type { ReadQueue } from "./read-queue.ts";

/** Pages (4 KiB each) that the WAL may hold and the database not, before they are moved in the midst of writes. */
const unmovedPagesMax = 512;
/** Pages past which the WAL is begun anew, for which the writes have to stand still. */
const walPagesMax = 1_024;
/** Pages past which writes wait for a checkpoint that is at work. */
const walPagesHeld = 4_096;
/** How long nothing must have been written before the rest is moved, milliseconds. */
const idleMs = 250;

/** Has the WAL moved into the database by the reading thread. */
export interface Checkpoints {
  /** To be called when a batch has written. */
  afterBatch(wal: WalState): void;
  /** Makes no further one; resolves when none runs. */
  close(): Promise<void>;
}

/**
 * SQLite's own checkpoints run inside a commit. Here the reading thread makes them beside the writes: when
 * the WAL has grown past a bound, and when nothing has been written for a moment.
 *
 * SQLite begins the WAL anew only with a write that finds all of it moved and nobody reading it
 * (sqlite.org/wal.html#avoiding_excessively_large_wal_files), which under steady writes may never come. So a
 * WAL that is too large gets one more checkpoint, between two batches and two reads: by then most of
 * it has been moved, and the writes wait for the rest alone. On a disk that cannot keep up they wait for all
 * of it: the WAL is bounded, where nobody else reads the file.
 */
export function createCheckpoints(reads: ReadQueue, writes: BatchQueue): Checkpoints {
  let idle: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let closed = false;
  /** A checkpoint is at work, and does not wait for a read. */
  let isPassing = false;
  /** Pages that the last one could not move, as where a backup reads them. */
  let left = 0;

  async function move(): Promise<void> {
    clearTimeout(idle);
    idle = undefined;
    const wal = await pass();
    left = wal?.unmoved ?? left;
    if (wal === undefined || wal.pages <= walPagesMax) return;
    // What was written during the first is little, and what is written during this one less.
    await pass();
    if (!closed) await pass(() => writes.pause());
  }

  async function pass(begin?: () => Promise<void>): Promise<WalState | undefined> {
    try {
      return await reads.checkpoint(async () => {
        isPassing = true;
        await begin?.();
      });
    } finally {
      isPassing = false;
    }
  }

  function begin(): void {
    if (closed) return;
    running ??= move()
      // The threads are gone, and whoever calls them is told.
      .catch(() => undefined)
      .finally(() => {
        running = undefined;
        writes.resume();
      });
  }

  return {
    afterBatch({ pages, unmoved }) {
      if (closed) return;
      if (isPassing && pages > walPagesHeld) void writes.pause();
      else if (unmoved > left + unmovedPagesMax) begin();
      else if (idle === undefined) idle = setTimeout(begin, idleMs);
      else idle.refresh();
    },
    async close() {
      closed = true;
      clearTimeout(idle);
      await running;
    },
  };
}
