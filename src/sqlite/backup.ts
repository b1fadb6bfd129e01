import { existsSync, linkSync, readdirSync, realpathSync, renameSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { copyDatabase, noLinks, removeDraft, syncFolder } from "./copy.ts";
import { DatabaseUnusableError } from "./errors.ts";
import { kindProblem } from "./file-kind.ts";
import { checkIntegrity, checkSchema, inspect, loadModules } from "./inspect.ts";
import { isAlive } from "./lock.ts";

export type BackupOptions = {
  /** The database; a server may be using it. */
  file: string;
  /** Where the copy goes; its folder exists. */
  target: string;
  /** Whether a file that is there already is replaced. */
  replace: boolean;
  modules: readonly URL[];
};

/** There is something already where the backup should go: a file, or what no backup replaces. */
export class BackupExistsError extends Error {
  override readonly name = "BackupExistsError";
}

/**
 * Copies the database, as it is at one moment, to `target`, and checks the copy. It does not take the
 * database's lock. The copy grows under another name and gets its own when it is whole and on the disk, so that
 * a file of that name is complete whatever ends this process. Resolves with the target's absolute path.
 *
 * Rejects with BackupExistsError, DatabaseTooNewError, DatabaseUnusableError, and the file system's errors; the
 * target is then as it was.
 */
export async function backUp({ file, target, replace, modules }: BackupOptions): Promise<string> {
  const source = realpathSync(file);
  const problem = kindProblem(source);
  if (problem !== undefined) throw new DatabaseUnusableError(source, `it ${problem}`);
  const absolute = resolveTarget(target);
  refuseOwnFiles(source, absolute);
  refuseTaken(absolute, replace);
  const known = await loadModules(modules);
  inspect(source, (database) => checkSchema(database, source, known));
  removeStaleDrafts(absolute);
  const draft = `${absolute}.partial-${process.pid}`;
  try {
    await copyDatabase(source, draft);
    inspect(draft, (database) => checkIntegrity(database, source, "full"));
    give(draft, absolute, replace);
  } finally {
    removeDraft(draft);
  }
  syncFolder(dirname(absolute));
  return absolute;
}

function resolveTarget(target: string): string {
  const absolute = resolve(target);
  return join(realpathSync(dirname(absolute)), basename(absolute));
}

/** The database and what belongs to it are no place for its backup, whatever is allowed to be replaced. */
function refuseOwnFiles(source: string, target: string): void {
  const own = ["", "-wal", "-shm", "-journal", ".lock", ".owner.json"];
  const real = existsSync(target) ? realpathSync(target) : target;
  if (!own.some((suffix) => real === `${source}${suffix}`)) return;
  throw new DatabaseUnusableError(target, "it belongs to the database itself");
}

/** Gives the draft its name; without `replace` never that of a file which has come up meanwhile. */
function give(draft: string, target: string, replace: boolean): void {
  // Something else may have taken the name during the copy.
  refuseTaken(target, replace);
  try {
    if (replace) renameSync(draft, target);
    else linkSync(draft, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    refuseTaken(target, replace);
    if (!noLinks.has(code ?? "")) throw error;
    renameSync(draft, target);
  }
}

/** Only a regular file is ever replaced: in the place of a device or a pipe others would go on to write. */
function refuseTaken(target: string, replace: boolean): void {
  const problem = kindProblem(target) ?? (!replace && existsSync(target) && "is there already");
  if (problem) throw new BackupExistsError(`${target} ${problem}`);
}

/** Removes what backups to the same target left behind when they were killed. */
function removeStaleDrafts(target: string): void {
  const prefix = `${basename(target)}.partial-`;
  for (const name of readdirSync(dirname(target))) {
    const pid = /^\d+$/.exec(name.slice(prefix.length))?.[0];
    if (!name.startsWith(prefix) || pid === undefined || isAlive(Number(pid))) continue;
    removeDraft(join(dirname(target), name));
  }
}
