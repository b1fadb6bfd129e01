import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { migrations as eventLogMigrations } from "../../../src/event-log/sqlite-operations.ts";
import { migrate } from "../../../src/sqlite/migrate.ts";
import type { Migration, OperationModule } from "../../../src/sqlite/module.ts";
import { migrations as storeMigrations } from "../../../src/store/sqlite-operations.ts";
import { openProbe, temporaryFolder } from "./probe.ts";

function moduleOf(...migrations: Migration[]): OperationModule {
  return { moduleName: "sample", operations: {}, migrations };
}

const first: Migration = { version: 1, name: "first", sql: "CREATE TABLE one (a) " };
const second: Migration = { version: 2, name: "second", sql: "ALTER TABLE one ADD COLUMN b" };

test("a migration runs once, in order, from wherever the database stands", () => {
  const database = new DatabaseSync(":memory:");
  migrate(database, "a.db", [moduleOf(first)]);
  migrate(database, "a.db", [moduleOf(first, second)]);
  migrate(database, "a.db", [moduleOf(first, second)]);
  const columns = database.prepare("SELECT name FROM pragma_table_info('one')").all();
  assert.deepEqual(
    columns.map(({ name }) => name),
    ["a", "b"],
  );
  database.close();
});

test("a migration that fails leaves nothing behind", () => {
  const database = new DatabaseSync(":memory:");
  const failing: Migration = { ...first, sql: "CREATE TABLE one (a); SELECT 1 FROM nowhere" };
  assert.throws(() => migrate(database, "a.db", [moduleOf(failing)]), /nowhere/);
  migrate(database, "a.db", [moduleOf(first)]);
  database.close();
});

test("the migrations of each module are numbered from 1 without gaps", () => {
  for (const migrations of [storeMigrations, eventLogMigrations]) {
    assert.deepEqual(
      migrations.map(({ version }) => version),
      migrations.map((_migration, index) => index + 1),
    );
    for (const { version, name } of migrations) {
      assert.ok(name.startsWith(`${String(version).padStart(4, "0")}-`), name);
    }
  }
});

test("a database of a later release is refused and left as it is", async (t) => {
  const file = join(await temporaryFolder(t), "a.db");
  const { database } = await openProbe(t, file);
  await database.close();
  const later = new DatabaseSync(file);
  later.exec(`INSERT INTO schema_migrations VALUES ('store', 99, '0099-future', 0)`);
  later.close();
  const before = await readFile(file);
  await assert.rejects(openProbe(t, file), { name: "DatabaseTooNewError" });
  await assert.rejects(openProbe(t, file), { name: "DatabaseTooNewError" });
  assert.deepEqual(await readFile(file), before);
});

test("a file that is no database is refused and left as it is", async (t) => {
  const file = join(await temporaryFolder(t), "a.db");
  const garbage = "this is a letter, not a database\n".repeat(100);
  await writeFile(file, garbage);
  await assert.rejects(openProbe(t, file), { name: "DatabaseUnusableError" });
  assert.equal(await readFile(file, "utf8"), garbage);
});

test("another program's database is refused and left as it is", async (t) => {
  const file = join(await temporaryFolder(t), "a.db");
  const other = new DatabaseSync(file);
  other.exec("CREATE TABLE bookmarks (url)");
  other.close();
  const before = await readFile(file);
  await assert.rejects(openProbe(t, file), { name: "DatabaseUnusableError" });
  assert.deepEqual(await readFile(file), before);
});

test("a place where no file can be made is refused by its name", async (t) => {
  const file = join(await temporaryFolder(t), "a.db");
  await writeFile(file, "");
  await assert.rejects(openProbe(t, join(file, "b.db")), {
    name: "DatabaseUnusableError",
    file: join(file, "b.db"),
  });
});
