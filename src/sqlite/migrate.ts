import type { DatabaseSync } from "node:sqlite";
import { DatabaseTooNewError, DatabaseUnusableError } from "./errors.ts";
import type { OperationModule } from "./module.ts";

/** "chwr": marks the file as ours (sqlite.org/pragma.html#pragma_application_id). */
export const applicationId = 0x63_68_77_72;

/**
 * Marks a new file as ours. Throws DatabaseUnusableError for one that another program has filled, and
 * SQLite's own error for one that is no database; neither is written to.
 */
export function claim(database: DatabaseSync, file: string): void {
  const id = database.prepare("PRAGMA application_id").get()?.application_id;
  if (id === applicationId) return;
  const tables = database.prepare("SELECT count(*) AS count FROM sqlite_schema").get()?.count;
  if (id !== 0 || tables !== 0) {
    throw new DatabaseUnusableError(file, "it is the database of another program");
  }
  database.exec(`PRAGMA application_id = ${applicationId}`);
}

/**
 * Brings the schema of every module up to date, one transaction a migration. Repeating it is safe.
 * Throws DatabaseTooNewError before it changes a table.
 */
export function migrate(
  database: DatabaseSync,
  file: string,
  modules: readonly OperationModule[],
): void {
  database.exec(`CREATE TABLE IF NOT EXISTS schema_migrations (
    module TEXT NOT NULL,
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    PRIMARY KEY (module, version)
  ) STRICT, WITHOUT ROWID`);
  const applied = appliedVersions(database);
  refuseNewer(applied, file, modules);
  for (const { moduleName, migrations } of modules) {
    const version = applied.get(moduleName) ?? 0;
    for (const migration of migrations.filter((one) => one.version > version)) {
      apply(database, moduleName, migration);
    }
  }
}

/** The highest version that each module has in this database. */
export function appliedVersions(database: DatabaseSync): Map<string, number> {
  const rows = database
    .prepare("SELECT module, max(version) AS version FROM schema_migrations GROUP BY module")
    .all() as { module: string; version: number }[];
  return new Map(rows.map(({ module, version }) => [module, version]));
}

/** Throws DatabaseTooNewError where a module has a version that this program does not know. */
export function refuseNewer(
  applied: ReadonlyMap<string, number>,
  file: string,
  modules: readonly OperationModule[],
): void {
  for (const [name, version] of applied) {
    const known = modules.find(({ moduleName }) => moduleName === name)?.migrations.length ?? 0;
    if (version > known) {
      throw new DatabaseTooNewError(file, `${name} ${version}, known here up to ${known}`);
    }
  }
}

function apply(
  database: DatabaseSync,
  moduleName: string,
  { version, name, sql }: OperationModule["migrations"][number],
): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    database.exec(sql);
    database
      .prepare(
        "INSERT INTO schema_migrations (module, version, name, applied_at) VALUES (?, ?, ?, ?)",
      )
      .run(moduleName, version, name, Date.now());
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
