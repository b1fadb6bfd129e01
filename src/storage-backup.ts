import { statSync } from "node:fs";
import { systemClock } from "./chat/clock.ts";
import type { Config } from "./config.ts";
import { eventLogModule } from "./event-log/sqlite.ts";
import { BackupExistsError, backUp } from "./sqlite/backup.ts";
import { DatabaseInUseError, DatabaseTooNewError, DatabaseUnusableError } from "./sqlite/errors.ts";
import { inspect } from "./sqlite/inspect.ts";
import { restore } from "./sqlite/restore.ts";
import { storeModule } from "./store/sqlite.ts";
import { beginEpochs, countStored, type StoredCounts } from "./store/sqlite-restored.ts";

/** A backup or a restore did not happen, for a reason that the operator can mend. Nothing was changed. */
export class StorageCopyError extends Error {
  override readonly name = "StorageCopyError";
}

export type BackupReport = StoredCounts & { /** Absolute. */ file: string; bytes: number };

export type RestoreReport = BackupReport & {
  /** Where the database that was replaced is; undefined where there was none. */
  keptAs: string | undefined;
};

const modules = [storeModule, eventLogModule];

/** Copies the database to `target` while a server may be using it. Rejects with StorageCopyError. */
export function backUpStorage(
  database: Config["database"],
  target: string,
  { replace }: { replace: boolean },
): Promise<BackupReport> {
  return mendable(async () => {
    const file = await backUp({ file: requireFile(database), target, replace, modules });
    return report(file);
  });
}

/** Puts a backup in the place of the database and begins new epochs. Rejects with StorageCopyError. */
export function restoreStorage(
  database: Config["database"],
  backup: string,
): Promise<RestoreReport> {
  return mendable(async () => {
    const now = systemClock.now();
    const { file, keptAs } = await restore({
      file: requireFile(database),
      backup,
      modules,
      now,
      prepare: (copy, replaced) => beginEpochs(copy, replaced, now),
    });
    return { ...report(file), keptAs };
  });
}

function report(file: string): BackupReport {
  return { file, bytes: statSync(file).size, ...inspect(file, countStored) };
}

function requireFile(database: Config["database"]): string {
  if (database.type === "sqlite") return database.path;
  throw new StorageCopyError("DATABASE_URL is memory: and keeps nothing, so there is no backup");
}

async function mendable<Result>(action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    const text = explain(error);
    if (text === undefined) throw error;
    throw new StorageCopyError(text, { cause: error });
  }
}

function explain(error: unknown): string | undefined {
  if (error instanceof BackupExistsError) return `${error.message}; --force replaces a file`;
  if (error instanceof DatabaseInUseError) return `${error.message}; stop it first`;
  if (error instanceof DatabaseTooNewError || error instanceof DatabaseUnusableError) {
    return error.message;
  }
  const { syscall, path, code } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return undefined;
  if (code === "ENOENT") return `${path} does not exist`;
  return `${path ?? "a file"}: ${(error as Error).message}`;
}
