import { randomUUID } from "node:crypto";
import { link, open, rename, rm, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { readRegularFile } from "../regular-file.ts";

/** How often a lock that another holds is asked for again, milliseconds. */
const retryMs = 50;

/** A lock holds a UUID, bytes; what is longer is no lock of ours. */
const ownerBytesMax = 36;

export type FileLockOptions = {
  /** How long to wait for another holder before giving up, milliseconds. */
  readonly waitMs: number;
  /** Nobody holds it longer than this: an older lock was left by a process that was killed, milliseconds. */
  readonly staleMs: number;
};

/** A file's lock: held until released. */
export type FileLock = {
  /** Whether it is still ours; a holder that slept longer than `staleMs` may have lost it. */
  isHeld(): Promise<boolean>;
  release(): Promise<void>;
};

/**
 * Keeps other processes that ask for the same lock away from `<path>.lock`'s file until it is released. The lock is
 * a file that only one process can create. Returns undefined when another held it for `waitMs`.
 */
export async function lockFile(
  path: string,
  options: FileLockOptions,
): Promise<FileLock | undefined> {
  const lockPath = `${path}.lock`;
  const owner = randomUUID();
  for (let waitedMs = 0; ; waitedMs += retryMs) {
    if (await createFile(lockPath, owner)) break;
    if (await removeStale(lockPath, options.staleMs)) continue;
    if (waitedMs >= options.waitMs) return undefined;
    await delay(retryMs);
  }
  const isHeld = async () => (await contentOf(lockPath)) === owner;
  return {
    isHeld,
    async release() {
      if (await isHeld()) await rm(lockPath, { force: true });
    },
  };
}

/** Creates the file with this content; false where there is one. */
async function createFile(path: string, content: string): Promise<boolean> {
  try {
    await using file = await open(path, "wx", 0o600);
    await file.writeFile(content);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/**
 * Removes a lock that was left behind; true when it is worth asking again at once. It is renamed first, which one
 * process can do alone, and given back should a fresh one have been caught.
 */
async function removeStale(path: string, staleMs: number): Promise<boolean> {
  if (!(await isStale(path, staleMs))) return false;
  const caught = `${path}.${randomUUID()}`;
  try {
    await rename(path, caught);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
    throw error;
  }
  const wasStale = await isStale(caught, staleMs);
  if (!wasStale) await link(caught, path).catch(() => {});
  await rm(caught, { force: true });
  return wasStale;
}

async function isStale(path: string, staleMs: number): Promise<boolean> {
  try {
    return Date.now() - (await stat(path)).mtimeMs > staleMs;
  } catch {
    return false;
  }
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readRegularFile(path, ownerBytesMax);
  } catch {
    return undefined;
  }
}
