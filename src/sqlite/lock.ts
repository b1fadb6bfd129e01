import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DatabaseInUseError, type DatabaseOwner, sqliteCode } from "./errors.ts";

/** How long to look for the owner's name, who writes it just after it has taken the lock. */
const ownerWaitMs = { step: 25, total: 500 };

/** The right to use a database file, held until it is released or the process is gone. */
export interface DatabaseLock {
  /** Replaces what a refused process is told. */
  describe(owner: DatabaseOwner): void;
  release(): void;
}

/**
 * Takes the lock of a database, or throws DatabaseInUseError that names who has it.
 *
 * Node has no flock, but SQLite has: the lock is the write lock of an empty database beside the real one.
 * The operating system frees it with the process, however that dies. It is a file of its own, so that
 * checkpoints, backups and a curious `sqlite3` on the real one do not meet it.
 *
 * The lock file must never be opened by other means in this process: closing any of a process's
 * descriptors drops its POSIX locks on the file (sqlite.org/howtocorrupt.html, 2.2).
 */
export function acquireLock(file: string, owner: DatabaseOwner): DatabaseLock {
  const ownerFile = `${file}.owner.json`;
  createPrivateFile(`${file}.lock`);
  const database = new DatabaseSync(`${file}.lock`, { timeout: 0 });
  try {
    database.exec("BEGIN IMMEDIATE");
  } catch (error) {
    database.close();
    if (sqliteCode(error) !== 5) throw error;
    throw new DatabaseInUseError(file, waitForOwner(ownerFile));
  }
  const lock: DatabaseLock = {
    describe: (next) => writeOwner(ownerFile, next),
    release() {
      rmSync(ownerFile, { force: true });
      database.close();
    },
  };
  try {
    lock.describe(owner);
  } catch (error) {
    lock.release();
    throw error;
  }
  return lock;
}

/**
 * Who has the lock of a database: the process, "unknown" where it has not said, undefined where nobody has it.
 * Takes the lock and gives it back at once where it is free. Throws what SQLite says.
 */
export function findHolder(file: string): DatabaseOwner | "unknown" | undefined {
  if (!existsSync(`${file}.lock`)) return undefined;
  const database = new DatabaseSync(`${file}.lock`, { timeout: 0 });
  try {
    database.exec("BEGIN IMMEDIATE; ROLLBACK");
    return undefined;
  } catch (error) {
    if (sqliteCode(error) !== 5) throw error;
    return waitForOwner(`${file}.owner.json`) ?? "unknown";
  } finally {
    database.close();
  }
}

/** The file's one true path, whatever links lead to it; its folder is made for this account alone. */
export function resolveDatabaseFile(file: string): string {
  const absolute = resolve(file);
  mkdirSync(dirname(absolute), { recursive: true, mode: 0o700 });
  try {
    return realpathSync(absolute);
  } catch {
    return join(realpathSync(dirname(absolute)), basename(absolute));
  }
}

/** Makes the file, readable by this account alone, unless it is there. */
export function createPrivateFile(file: string): void {
  try {
    // "x" opens nothing that exists, so that no lock on it is lost when the descriptor closes.
    closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

function writeOwner(ownerFile: string, owner: DatabaseOwner): void {
  const draft = `${ownerFile}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(owner)}\n`, { mode: 0o600 });
  chmodSync(draft, 0o600);
  renameSync(draft, ownerFile);
}

/** The owner's description; one of a process that is gone is only believed when no better one comes. */
function waitForOwner(ownerFile: string): DatabaseOwner | undefined {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (let waitedMs = 0; ; waitedMs += ownerWaitMs.step) {
    const owner = readOwner(ownerFile);
    if (waitedMs >= ownerWaitMs.total || (owner !== undefined && isAlive(owner.pid))) return owner;
    // This is the worker thread, and nothing else runs on it yet.
    Atomics.wait(sleeper, 0, 0, ownerWaitMs.step);
  }
}

function readOwner(ownerFile: string): DatabaseOwner | undefined {
  try {
    const { pid, url, startedAt } = JSON.parse(readFileSync(ownerFile, "utf8"));
    return Number.isSafeInteger(pid) ? { pid, url: String(url), startedAt } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a process of that id runs. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, under another account.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
