import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { DatabaseTooNewError, DatabaseUnusableError } from "./errors.ts";
import { applicationId, appliedVersions, refuseNewer } from "./migrate.ts";
import type { OperationModule } from "./module.ts";

/** Imports what stands at the addresses that `openDatabase` takes. */
export function loadModules(urls: readonly URL[]): Promise<OperationModule[]> {
  return Promise.all(urls.map((url): Promise<OperationModule> => import(url.href)));
}

/**
 * Opens a file to read it and calls `read`. What SQLite says of a file that is damaged, or none of its own, is
 * thrown as DatabaseUnusableError.
 */
export function inspect<Result>(
  file: string,
  read: (database: DatabaseSync) => Result,
  {
    immutable = false,
  }: { /** Nobody writes to it: no file appears beside it. */ immutable?: boolean } = {},
): Result {
  const url = pathToFileURL(file);
  if (immutable) url.searchParams.set("immutable", "1");
  return named(file, () => {
    const database = new DatabaseSync(url, { readOnly: true, timeout: busyMs });
    try {
      return read(database);
    } finally {
      database.close();
    }
  });
}

/** How long a checkpoint or a recovery of another process may be in the way, milliseconds. */
const busyMs = 5_000;

/** Calls `action`; an error that does not name the file becomes a DatabaseUnusableError. */
export function named<Result>(file: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    if (error instanceof DatabaseTooNewError || error instanceof DatabaseUnusableError) throw error;
    throw new DatabaseUnusableError(file, (error as Error).message, error);
  }
}

/** How many migrations the database has behind this program; 0 where it is up to date. */
export type SchemaState = { pendingMigrations: number };

/**
 * Looks whether a database is ours and one that this program can read. Throws DatabaseUnusableError and
 * DatabaseTooNewError; changes nothing.
 */
export function checkSchema(
  database: DatabaseSync,
  file: string,
  modules: readonly OperationModule[],
): SchemaState {
  if (database.prepare("PRAGMA application_id").get()?.application_id !== applicationId) {
    throw new DatabaseUnusableError(file, "it is no database of chatwire");
  }
  const applied = appliedVersions(database);
  refuseNewer(applied, file, modules);
  const pending = modules.map(
    ({ moduleName, migrations }) => migrations.length - (applied.get(moduleName) ?? 0),
  );
  return { pendingMigrations: pending.reduce((sum, count) => sum + count, 0) };
}

/**
 * Reads the whole database and throws DatabaseUnusableError where it is damaged. `quick` leaves out whether
 * the indexes agree with their tables (sqlite.org/pragma.html#pragma_quick_check), which is most of the time.
 */
export function checkIntegrity(database: DatabaseSync, file: string, how: "quick" | "full"): void {
  const pragma = how === "quick" ? "quick_check" : "integrity_check";
  const found = database.prepare(`PRAGMA ${pragma}(1)`).get()?.[pragma];
  if (found !== "ok") throw new DatabaseUnusableError(file, `it is damaged (${String(found)})`);
}
