import { closeSync, fdatasyncSync, fsyncSync, openSync, rmSync } from "node:fs";
import { backup, DatabaseSync } from "node:sqlite";
import { createPrivateFile } from "./lock.ts";

/** Pages (4 KiB each) that are copied between two syncs. */
const pagesPerStep = 1_024;
/** How long a checkpoint or a recovery of another process may be in the way, milliseconds. */
const busyMs = 5_000;

/**
 * Copies a database as it is at one moment into a new file that is complete in itself, on the disk and
 * readable by this account alone. Another process may write to the source meanwhile.
 *
 * One read transaction holds the snapshot: without it SQLite begins again whenever somebody writes, and under
 * a busy server never ends. Each step is synced before the next; otherwise all of it is at the end, and the
 * server's own syncs wait behind it (p99 of a durable append 150 ms, with it 25, as with VACUUM INTO).
 */
export async function copyDatabase(source: string, target: string): Promise<void> {
  createPrivateFile(target);
  const database = new DatabaseSync(source, { readOnly: true, timeout: busyMs });
  // Closing it drops SQLite's locks on the target (sqlite.org/howtocorrupt.html, 2.2), which is ours alone.
  const descriptor = openSync(target, "r+");
  try {
    database.exec("BEGIN");
    database.prepare("SELECT count(*) FROM sqlite_schema").get();
    const progress = () => fdatasyncSync(descriptor);
    await backup(database, target, { rate: pagesPerStep, progress });
  } finally {
    database.close();
    closeSync(descriptor);
  }
  leaveWal(target);
}

/** The copy says of itself that it has a WAL, as the source has; alone it has none. */
function leaveWal(file: string): void {
  const database = new DatabaseSync(file);
  try {
    database.exec("PRAGMA journal_mode = DELETE");
  } finally {
    database.close();
  }
  syncFile(file);
}

/** Has the file's content on the disk. No connection of this process may have it open. */
export function syncFile(file: string): void {
  const descriptor = openSync(file, "r+");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Has the folder's names on the disk, where the system can do that. */
export function syncFolder(folder: string): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(folder, "r");
    fsyncSync(descriptor);
  } catch (error) {
    // Windows opens no folder.
    if (!["EISDIR", "EPERM", "EINVAL"].includes((error as NodeJS.ErrnoException).code ?? ""))
      throw error;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Removes a database that was not finished, with what SQLite has put beside it. */
export function removeDraft(file: string): void {
  for (const suffix of ["", "-journal", "-wal", "-shm"])
    rmSync(`${file}${suffix}`, { force: true });
}

/** What a file system says that gives no file a second name. */
export const noLinks: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);
