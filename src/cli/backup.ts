import { Command } from "commander";
import { readDatabase } from "../config/read-database.ts";
import { ConfigError } from "../config.ts";
import { CliError, exitCode } from "./exit-code.ts";

export type StorageFlags = { databaseUrl?: string; json?: boolean };

/** `chatwire backup`: a copy of the database, also while the server runs. */
export function createBackupCommand(): Command {
  return new Command("backup")
    .description("Copy the database to a file, also while the server uses it")
    .argument("<file>", "where the copy goes")
    .option("--force", "replace the file if it is there")
    .option("--database-url <url>", "the database, as for serve (DATABASE_URL)")
    .option("--json", "print the result as JSON")
    .action(async (file: string, flags: StorageFlags & { force?: boolean }) => {
      const { backUpStorage } = await import("../storage-backup.ts");
      const report = await told(() =>
        backUpStorage(databaseOf(flags), file, { replace: flags.force === true }),
      );
      const { bytes, sessions, messages } = report;
      const text = `${report.file}: ${sizeOf(bytes)}, ${sessions} sessions, ${messages} messages`;
      process.stdout.write(`${flags.json ? JSON.stringify(report) : text}\n`);
    });
}

/** The configured database. Throws CliError. */
export function databaseOf({ databaseUrl }: StorageFlags) {
  try {
    return readDatabase({ databaseUrl });
  } catch (error) {
    throw error instanceof ConfigError ? new CliError(error.message, exitCode.usage) : error;
  }
}

/** Calls `action`; what the operator can mend is thrown as CliError. */
export async function told<Result>(action: () => Promise<Result>): Promise<Result> {
  const { StorageCopyError } = await import("../storage-backup.ts");
  try {
    return await action();
  } catch (error) {
    throw error instanceof StorageCopyError ? new CliError(error.message) : error;
  }
}

export function sizeOf(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.ceil(bytes / 1e3)} kB`;
}
