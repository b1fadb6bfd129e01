import { accessSync, constants, existsSync, realpathSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Database } from "../config/parse.ts";
import { eventLogModule } from "../event-log/sqlite.ts";
import type { DatabaseOwner } from "../sqlite/errors.ts";
import { kindProblem } from "../sqlite/file-kind.ts";
import { checkIntegrity, checkSchema, inspect, loadModules } from "../sqlite/inspect.ts";
import { findHolder } from "../sqlite/lock.ts";
import { storeModule } from "../store/sqlite.ts";
import { countStored, newestChange } from "../store/sqlite-restored.ts";
import { fileSystemProblem } from "./file-systems.ts";
import { type Finding, reportOf } from "./finding.ts";

/** Free room, bytes: below it the server cannot be expected to run, and below that it should be looked after. */
const freeBytes = { failed: 64 * 2 ** 20, warning: 2 ** 30 };
/** A WAL larger than this is not being moved into the database, bytes. */
const walBytesMax = 256 * 2 ** 20;
/** How far the clock may be behind the newest change, milliseconds. */
const clockSlackMs = 5 * 60 * 1_000;

export type DatabaseFindings = {
  findings: Finding[];
  /** The server that has the database; undefined where none has it. */
  holder: DatabaseHolder | undefined;
};

/** A server that has a database. */
export type DatabaseHolder = {
  /** Where it listens; empty where that is not known. */
  url: string;
};

/** Nothing can be said of who has the database. */
export const unknownHolder: DatabaseHolder = { url: "" };

/** Whether the database can be used, or made. Reads all of it; a server may be using it. */
export async function checkDatabase(
  database: Database,
  now: number,
  canWrite: (path: string) => boolean = isWritable,
): Promise<DatabaseFindings> {
  const { ok, failed } = reportOf("database");
  if (database.type === "memory") {
    return { findings: [ok("memory: keeps nothing when the server ends")], holder: unknownHolder };
  }
  const exists = existsSync(database.path);
  const file = exists ? realpathSync(database.path) : database.path;
  const folder = nearestFolder(file);
  const places = [checkAccess({ file, folder, exists, canWrite }), ...checkRoom(file, folder)];
  if (!exists) return { findings: places, holder: undefined };
  const problem = kindProblem(file);
  if (problem !== undefined) {
    const advice = "set DATABASE_URL to another place";
    return { findings: [...places, failed(`${file} ${problem}`, advice)], holder: undefined };
  }
  const modules = await loadModules([storeModule, eventLogModule]);
  try {
    const holder = findHolder(file);
    const contents = readContents(file, holder !== undefined, modules, now);
    return {
      findings: [...places, describeHolder(holder), ...contents, checkWal(file)],
      holder: holder === "unknown" ? unknownHolder : holder,
    };
  } catch (error) {
    const advice =
      "restore a backup (chatwire restore), upgrade chatwire, or set DATABASE_URL to another file";
    return {
      findings: [...places, failed((error as Error).message, advice)],
      holder: unknownHolder,
    };
  }
}

/** The folder of the file, or the first above it that is there. */
function nearestFolder(file: string): string {
  let folder = dirname(file);
  while (!existsSync(folder)) folder = dirname(folder);
  return folder;
}

type Place = {
  file: string;
  folder: string;
  exists: boolean;
  canWrite: (path: string) => boolean;
};

function checkAccess({ file, folder, exists, canWrite }: Place): Finding {
  const { ok, failed } = reportOf("database");
  if (!statSync(folder).isDirectory()) {
    return failed(`${folder} is no folder`, "set DATABASE_URL to another place");
  }
  const needed = exists ? [file, folder] : [folder];
  const refused = needed.find((path) => !canWrite(path));
  if (refused !== undefined) {
    return failed(
      `${refused} cannot be written by this account`,
      "give the server's account the right to, or set DATABASE_URL to another place",
    );
  }
  return ok(exists ? file : `${file} will be made`);
}

/** Whether this account may read and write it; root may always. */
function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function checkRoom(file: string, folder: string): Finding[] {
  const { ok, warning, failed } = reportOf("disk");
  const { bavail, bsize, type } = statfsSync(folder);
  const free = bavail * bsize;
  const told = `${describeSize(free)} free in ${folder}`;
  const needed = Math.max(freeBytes.warning, sizeOf(file));
  const advice = "make room; without it the server refuses to write";
  const found =
    free < freeBytes.failed
      ? failed(told, advice)
      : free < needed
        ? warning(told, `${advice}, and a backup has no place beside the database`)
        : ok(told);
  const problem = fileSystemProblem(type);
  if (!problem) return [found];
  const detail = `${folder} is on ${problem.name}: ${problem.why}`;
  return [found, warning(detail, "set DATABASE_URL to a file on a disk of this machine")];
}

function describeHolder(holder: DatabaseOwner | "unknown" | undefined): Finding {
  const { ok } = reportOf("database");
  if (holder === undefined) return ok("no server uses it");
  if (holder === "unknown") return ok("a server uses it");
  return ok(`process ${holder.pid} uses it${holder.url ? `, at ${holder.url}` : ""}`);
}

function readContents(
  file: string,
  isInUse: boolean,
  modules: Awaited<ReturnType<typeof loadModules>>,
  now: number,
): Finding[] {
  const { ok, warning } = reportOf("database");
  // Without a WAL and without a server nobody writes, and nothing need appear beside the file.
  const immutable = !isInUse && sizeOf(`${file}-wal`) === 0;
  return inspect(
    file,
    (database) => {
      const { pendingMigrations: pending } = checkSchema(database, file, modules);
      checkIntegrity(database, file, "quick");
      if (pending === modules.reduce((sum, { migrations }) => sum + migrations.length, 0)) {
        return [ok("it is empty")];
      }
      const { sessions, messages } = countStored(database);
      const sound = ok(`it is sound: ${sessions} sessions, ${messages} messages`);
      const older = warning(
        "an earlier release wrote it; the next start brings it up to date, and then that release refuses it",
        "make a backup first (chatwire backup)",
      );
      const late = reportOf("clock").warning(
        "the clock is behind what the database has seen",
        "set it right: sessions are ordered and expire by it, and certificates and tokens are judged by it",
      );
      const isLate = newestChange(database) > now + clockSlackMs;
      return [sound, ...(pending > 0 ? [older] : []), ...(isLate ? [late] : [])];
    },
    { immutable },
  );
}

function checkWal(file: string): Finding {
  const { ok, warning } = reportOf("database");
  const bytes = sizeOf(`${file}-wal`);
  const detail = `its WAL has ${describeSize(bytes)}`;
  if (bytes <= walBytesMax) return ok(detail);
  return warning(
    detail,
    "look for a program that reads the database for long, such as an open sqlite3; a restart of the server empties it",
  );
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

export function describeSize(bytes: number): string {
  if (bytes >= 2 ** 30) return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  return bytes >= 2 ** 20
    ? `${(bytes / 2 ** 20).toFixed(1)} MiB`
    : `${Math.ceil(bytes / 2 ** 10)} KiB`;
}
