import { closeSync, copyFileSync, existsSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { TestContext } from "node:test";
import { systemClock } from "../../../src/chat/clock.ts";
import { loadConfig } from "../../../src/config.ts";
import { openStorage } from "../../../src/storage.ts";
import { createSession } from "../../support/engine.ts";
import { temporaryDirectory } from "./run-cli.ts";

/** A database with one session for each title, closed. */
export async function makeDatabase(t: TestContext, ...titles: string[]): Promise<string> {
  const file = join(temporaryDirectory(t), "chatwire.db");
  await fillDatabase(file, titles);
  return file;
}

export async function fillDatabase(file: string, titles: readonly string[]): Promise<void> {
  const storage = await openStorage(loadConfig({ env: { DATABASE_URL: `sqlite:${file}` } }));
  const now = systemClock.now();
  for (const title of titles) {
    const session = createSession({ sessionId: title, title, createdAt: now, updatedAt: now });
    await storage.store.createSession(session);
  }
  await storage.close();
}

/** The same database as a killed server leaves it: the last session stands in the WAL alone. */
export async function makeKilledDatabase(
  t: TestContext,
  ...titles: [string, ...string[]]
): Promise<string> {
  const file = await makeDatabase(t, ...titles.slice(0, -1));
  const database = new DatabaseSync(file);
  database.exec("PRAGMA wal_autocheckpoint = 0");
  database
    .prepare(
      `INSERT INTO sessions (session_id, principal, model, title, system_instruction, generation, metadata,
         created_at, updated_at) VALUES (:title, 'anonymous', 'eliza', :title, '', '{}', '{}', 1, 1)`,
    )
    .run({ title: titles.at(-1) ?? "" });
  const killed = join(temporaryDirectory(t), "chatwire.db");
  for (const suffix of ["", "-wal"]) copyFileSync(`${file}${suffix}`, `${killed}${suffix}`);
  database.close();
  return killed;
}

/** The titles of a database's sessions; undefined where there is none. */
export function titlesOf(file: string): string[] | undefined {
  if (!existsSync(file)) return undefined;
  return query(file, "SELECT title FROM sessions ORDER BY title").map(({ title }) => String(title));
}

/** Every row of a statement on a database that nobody else has open. */
export function query(file: string, sql: string): Record<string, unknown>[] {
  const database = new DatabaseSync(file);
  try {
    return database.prepare(sql).all();
  } finally {
    database.close();
  }
}

/** A database with one page that is rubbish. */
export async function makeDamagedDatabase(t: TestContext): Promise<string> {
  const file = await makeDatabase(t, "one");
  const [page] = query(file, "SELECT rootpage FROM sqlite_schema WHERE name = 'messages_in_order'");
  const [size] = query(file, "PRAGMA page_size");
  const descriptor = openSync(file, "r+");
  const position = (Number(page?.rootpage) - 1) * Number(size?.page_size);
  writeSync(descriptor, Buffer.alloc(100, 0xff), 0, 100, position);
  closeSync(descriptor);
  return file;
}

/** Changes a database behind chatwire's back. */
export function execute(file: string, sql: string): void {
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
}
