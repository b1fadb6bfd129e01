import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, watch, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import {
  execute,
  makeDamagedDatabase,
  makeDatabase,
  makeKilledDatabase,
  query,
  titlesOf,
} from "./databases.ts";
import { runCli, startCli, temporaryDirectory } from "./run-cli.ts";

const url = (file: string) => ["--database-url", `sqlite:${file}`];

test("a backup is complete in itself, private, and told", async (t) => {
  const file = await makeDatabase(t, "one", "two");
  const target = join(temporaryDirectory(t), "backup.db");
  const { code, stdout, stderr } = await runCli(t, ["backup", target, "--json", ...url(file)]);
  assert.equal(code, 0, stderr);
  const bytes = statSync(target).size;
  assert.deepEqual(JSON.parse(stdout), { file: target, bytes, sessions: 2, messages: 0 });
  assert.deepEqual(readdirSync(dirname(target)), ["backup.db"]);
  assert.equal(statSync(target).mode & 0o777, 0o600);
  assert.equal(query(target, "PRAGMA journal_mode")[0]?.journal_mode, "delete");
  assert.deepEqual(titlesOf(target), ["one", "two"]);
});

test("what stands in the WAL of a killed server is in the backup", async (t) => {
  const file = await makeKilledDatabase(t, "one", "two");
  const target = join(temporaryDirectory(t), "backup.db");
  const { code, stderr } = await runCli(t, ["backup", target, ...url(file)]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(titlesOf(target), ["one", "two"]);
});

test("a file is replaced with --force alone, a folder and the database itself never", async (t) => {
  const file = await makeDatabase(t, "one");
  const folder = temporaryDirectory(t);
  const target = join(folder, "backup.db");
  writeFileSync(target, "a letter");
  const refused = await runCli(t, ["backup", target, ...url(file)]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /is there already; --force/);
  assert.equal(readFileSync(target, "utf8"), "a letter");
  const forced = await runCli(t, ["backup", target, "--force", ...url(file)]);
  assert.equal(forced.code, 0, forced.stderr);
  assert.deepEqual(titlesOf(target), ["one"]);
  for (const own of [file, `${file}-wal`, `${file}.lock`, folder]) {
    const { code, stderr } = await runCli(t, ["backup", own, "--force", ...url(file)]);
    assert.equal(code, 1, own);
    assert.match(stderr, /belongs to the database itself|is a folder/);
  }
  assert.deepEqual(readdirSync(folder), ["backup.db"]);
  assert.deepEqual(titlesOf(file), ["one"]);
});

test("what cannot be backed up is refused in words, and leaves no file", async (t) => {
  const folder = temporaryDirectory(t);
  const newer = await makeDatabase(t);
  execute(newer, "INSERT INTO schema_migrations VALUES ('store', 99, '0099-future', 0)");
  const foreign = join(temporaryDirectory(t), "foreign.db");
  execute(foreign, "CREATE TABLE addresses (a)");
  const letter = join(temporaryDirectory(t), "letter.db");
  writeFileSync(letter, "this is a letter, not a database\n".repeat(100));
  const damaged = await makeDamagedDatabase(t);
  const target = join(folder, "backup.db");
  const cases: [string, RegExp][] = [
    ["memory:", /DATABASE_URL is memory:/],
    [`sqlite:${join(folder, "none.db")}`, /none\.db does not exist/],
    [`sqlite:${newer}`, /was written by a newer chatwire .*upgrade this one/],
    [`sqlite:${foreign}`, /is no database of chatwire/],
    [`sqlite:${letter}`, /cannot be used: file is not a database/],
    [`sqlite:${damaged}`, /it is damaged/],
  ];
  for (const [databaseUrl, text] of cases) {
    const { code, stderr } = await runCli(t, ["backup", target, "--database-url", databaseUrl]);
    assert.equal(code, 1, databaseUrl);
    assert.match(stderr, text);
    assert.deepEqual(readdirSync(folder), []);
  }
  const nowhere = join(folder, "none", "backup.db");
  const { stderr } = await runCli(t, ["backup", nowhere, ...url(newer)]);
  assert.match(stderr, /none does not exist/);
});

test("the rest of the configuration may be as wrong as it likes", async (t) => {
  const file = await makeDatabase(t, "one");
  const target = join(temporaryDirectory(t), "backup.db");
  const env = { DATABASE_URL: `sqlite:${file}`, PORT: "none", TLS_CERT_FILE: "/none" };
  const { code, stderr } = await runCli(t, ["backup", target], "", { env });
  assert.equal(code, 0, stderr);
  const wrong = await runCli(t, ["backup", target, "--force"], "", { env: { DATABASE_URL: "x" } });
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /DATABASE_URL="x"/);
});

test("a killed backup leaves no file of that name, and the next one clears up", async (t) => {
  const file = await makeDatabase(t, "one");
  execute(
    file,
    `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 64)
     INSERT INTO event_archive SELECT 'filler', n, hex(zeroblob(524288)) FROM numbers`,
  );
  const folder = temporaryDirectory(t);
  const target = join(folder, "backup.db");
  const began = Promise.withResolvers<void>();
  const watcher = watch(folder, () => began.resolve());
  t.after(() => watcher.close());
  const cli = startCli(t, ["backup", target, ...url(file)]);
  await began.promise;
  cli.child.kill("SIGKILL");
  await cli.result();
  assert.equal(cli.child.signalCode, "SIGKILL");
  assert.ok(!existsSync(target));
  assert.match(readdirSync(folder).join(), /^backup\.db\.partial-\d+/);
  const { code, stderr } = await runCli(t, ["backup", target, ...url(file)]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(readdirSync(folder), ["backup.db"]);
});
