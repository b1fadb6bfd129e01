import {
  chownSync,
  copyFileSync,
  existsSync,
  constants as fsConstants,
  linkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { copyDatabase, noLinks, removeDraft, syncFile, syncFolder } from "./copy.ts";
import { DatabaseUnusableError, sqliteCode } from "./errors.ts";
import { kindProblem } from "./file-kind.ts";
import { checkIntegrity, checkSchema, inspect, loadModules, named } from "./inspect.ts";
import { acquireLock, resolveDatabaseFile } from "./lock.ts";

export type RestoreOptions = {
  /** The database to replace; it need not exist. */
  file: string;
  backup: string;
  modules: readonly URL[];
  /** Changes the copy before it takes its place; `replaced` is the database that goes, where it can be read. */
  prepare: (copy: DatabaseSync, replaced: DatabaseSync | undefined) => void;
  /** Milliseconds since 1970 UTC; names what was replaced. */
  now: number;
};

export type Restored = {
  file: string /** Where the database that was replaced is. */;
  keptAs: string | undefined;
};

/**
 * Puts a copy of the backup in the place of the database, whose lock it holds meanwhile: no server can run. What
 * was there is kept beside it. Whatever ends this process, the old database or the new one has the name, whole;
 * one that is damaged beyond what SQLite can open may be without its WAL then, and both are kept.
 *
 * Rejects with DatabaseInUseError, DatabaseTooNewError and DatabaseUnusableError (of the backup), and the file
 * system's errors; the database is then as it was.
 */
export async function restore(options: RestoreOptions): Promise<Restored> {
  const backup = realpathSync(options.backup);
  const file = resolveDatabaseFile(options.file);
  if (backup === file) throw new DatabaseUnusableError(backup, "it is the database itself");
  for (const path of [backup, file]) {
    const problem = kindProblem(path);
    if (problem !== undefined) throw new DatabaseUnusableError(path, `it ${problem}`);
  }
  const known = await loadModules(options.modules);
  inspect(backup, (database) => checkSchema(database, backup, known));
  const lock = acquireLock(file, { pid: process.pid, url: "", startedAt: options.now });
  const draft = `${file}.restoring`;
  try {
    // The lock is ours: nobody else is at it, and a killed restore has left it behind.
    removeDraft(draft);
    await copyDatabase(backup, draft);
    inspect(draft, (database) => checkIntegrity(database, backup, "full"));
    giveToOwner(file, [draft, `${file}.lock`]);
    return { file, keptAs: exchange(file, draft, options) };
  } finally {
    removeDraft(draft);
    lock.release();
  }
}

/** Prepares the draft and gives it the name of the database; where that is kept, if there is one. */
function exchange(file: string, draft: string, options: RestoreOptions): string | undefined {
  if (!existsSync(file)) {
    prepare(draft, undefined, options);
    // A WAL without its database would be taken for the new one's.
    for (const suffix of sidecars) rmSync(`${file}${suffix}`, { force: true });
    give(draft, file);
    return undefined;
  }
  const keptAs = freeName(`${file}.before-restore-${timestamp(options.now)}`);
  const replaced = openAlone(file);
  try {
    prepare(draft, replaced, options);
    keep(file, keptAs);
    // Only of a damaged database anything is left here: openAlone has taken in the WAL of a sound one.
    for (const suffix of sidecars.filter((each) => existsSync(`${file}${each}`))) {
      keep(`${file}${suffix}`, `${keptAs}${suffix}`);
    }
    syncFolder(dirname(file));
    for (const suffix of sidecars) rmSync(`${file}${suffix}`, { force: true });
    give(draft, file);
  } finally {
    replaced?.close();
  }
  return keptAs;
}

const sidecars = ["-wal", "-shm", "-journal"] as const;

/**
 * Opens the database so that nobody else can read or write it, with its WAL taken in and removed. Undefined
 * where it is too damaged for that.
 */
function openAlone(file: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: 1_000 });
    database.exec("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
    return database;
  } catch (error) {
    database?.close();
    if (damagedCodes.has(sqliteCode(error) ?? 0)) return undefined;
    const detail =
      sqliteCode(error) === 5 ? "another program has it open" : (error as Error).message;
    throw new DatabaseUnusableError(file, detail, error);
  }
}

/** SQLITE_CORRUPT, SQLITE_NOTADB (sqlite.org/rescode.html). */
const damagedCodes: ReadonlySet<number> = new Set([11, 26]);

function prepare(draft: string, replaced: DatabaseSync | undefined, options: RestoreOptions): void {
  named(options.backup, () => {
    const copy = new DatabaseSync(draft);
    try {
      copy.exec("PRAGMA synchronous = FULL; BEGIN");
      options.prepare(copy, replaced);
      copy.exec("COMMIT");
    } finally {
      copy.close();
    }
  });
  syncFile(draft);
}

function give(draft: string, file: string): void {
  renameSync(draft, file);
  syncFolder(dirname(file));
}

/** Gives a file a second name; a copy, where the file system knows no such thing. */
function keep(file: string, name: string): void {
  try {
    linkSync(file, name);
  } catch (error) {
    if (!noLinks.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    copyFileSync(file, name, fsConstants.COPYFILE_EXCL);
    syncFile(name);
  }
}

/** The administrator restores for the account that the server runs under. */
function giveToOwner(file: string, made: readonly string[]): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(existsSync(file) ? file : dirname(file));
  for (const path of made) chownSync(path, uid, gid);
}

function freeName(name: string): string {
  for (let number = 1; ; number += 1) {
    const candidate = number === 1 ? name : `${name}-${number}`;
    if (!existsSync(candidate)) return candidate;
  }
}

/** 2026-11-22T10-11-12Z: sorts by time, and is a file name on every system. */
function timestamp(now: number): string {
  return new Date(now)
    .toISOString()
    .replace(/\.\d+Z$/, "Z")
    .replaceAll(":", "-");
}
