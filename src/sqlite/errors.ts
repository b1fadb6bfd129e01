import { type ChatError, storageUnavailable } from "../chat/errors.ts";

/** The process that has a database open, as it described itself. */
export type DatabaseOwner = {
  pid: number;
  /** Where it listens; empty until it does. */
  url: string;
  /** Milliseconds since 1970 UTC. */
  startedAt: number;
};

/** Another process has the database open. No row was touched. */
export class DatabaseInUseError extends Error {
  override readonly name = "DatabaseInUseError";
  readonly file: string;
  /** Undefined when the other process did not say. */
  readonly pid: number | undefined;
  readonly url: string;

  constructor(file: string, owner: DatabaseOwner | undefined) {
    const where = owner?.url ? ` at ${owner.url}` : "";
    const who = owner === undefined ? "another process" : `process ${owner.pid}${where}`;
    super(`${file} is in use by ${who}`);
    this.file = file;
    this.pid = owner?.pid;
    this.url = owner?.url ?? "";
  }
}

/** The database was written by a later release than this one. No row was touched. */
export class DatabaseTooNewError extends Error {
  override readonly name = "DatabaseTooNewError";
  readonly file: string;

  constructor(file: string, detail: string) {
    super(`${file} was written by a newer chatwire (${detail}); upgrade this one`);
    this.file = file;
  }
}

/** The file cannot be used: it is no SQLite database, another program's, damaged, or out of reach. */
export class DatabaseUnusableError extends Error {
  override readonly name = "DatabaseUnusableError";
  readonly file: string;

  constructor(file: string, detail: string, cause?: unknown) {
    super(`${file} cannot be used: ${detail}`, cause === undefined ? undefined : { cause });
    this.file = file;
  }
}

/** Primary result codes that blame the disk or the file (sqlite.org/rescode.html), not the statement. */
const storageCodes: ReadonlySet<number> = new Set([
  3, // SQLITE_PERM
  5, // SQLITE_BUSY
  6, // SQLITE_LOCKED
  7, // SQLITE_NOMEM
  8, // SQLITE_READONLY
  10, // SQLITE_IOERR
  11, // SQLITE_CORRUPT
  13, // SQLITE_FULL
  14, // SQLITE_CANTOPEN
  15, // SQLITE_PROTOCOL
  22, // SQLITE_NOLFS
  26, // SQLITE_NOTADB
]);

/** The primary result code of an error that node:sqlite threw; undefined for any other error. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  // The high bits make it an extended code: SQLITE_IOERR_WRITE and the like.
  return typeof error.errcode === "number" ? error.errcode & 0xff : undefined;
}

/** The error as STORAGE_UNAVAILABLE where storage is to blame, otherwise undefined. */
export function asStorageUnavailable(error: unknown): ChatError | undefined {
  const code = sqliteCode(error);
  return code !== undefined && storageCodes.has(code) ? storageUnavailable(error) : undefined;
}
