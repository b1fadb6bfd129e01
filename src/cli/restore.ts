import { Command } from "commander";
import { databaseOf, type StorageFlags, sizeOf, told } from "./backup.ts";

/** `chatwire restore`: puts a backup in the place of the database, whose server is stopped. */
export function createRestoreCommand(): Command {
  return new Command("restore")
    .description(
      "Put a backup in the place of the database, which is kept beside it; stop the server first",
    )
    .argument("<file>", "what `chatwire backup` has written")
    .option("--database-url <url>", "the database, as for serve (DATABASE_URL)")
    .option("--json", "print the result as JSON")
    .action(async (file: string, flags: StorageFlags) => {
      const { restoreStorage } = await import("../storage-backup.ts");
      const report = await told(() => restoreStorage(databaseOf(flags), file));
      const { bytes, sessions, messages, keptAs } = report;
      const text = `${report.file}: ${sizeOf(bytes)}, ${sessions} sessions, ${messages} messages`;
      const kept = keptAs === undefined ? "" : `\nwhat was there before is kept as ${keptAs}`;
      const output = flags.json
        ? JSON.stringify({ ...report, keptAs: keptAs ?? null })
        : text + kept;
      process.stdout.write(`${output}\n`);
    });
}
