import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { restoreStorage } from "../../../src/storage-backup.ts";
import {
  execute,
  fillDatabase,
  makeDamagedDatabase,
  makeDatabase,
  makeKilledDatabase,
  query,
  titlesOf,
} from "./databases.ts";
import { runCli, temporaryDirectory } from "./run-cli.ts";

const url = (file: string) => ["--database-url", `sqlite:${file}`];
const epochsOf = (file: string) =>
  query(file, "SELECT epoch FROM sessions").map(({ epoch }) => Number(epoch));

/** The names beside a database that are neither its own nor its lock's. */
function besides(file: string): string[] {
  return readdirSync(dirname(file)).filter(
    (name) => name !== basename(file) && name !== `${basename(file)}.lock`,
  );
}

test("a restore puts the backup in place, keeps what was there, and begins new epochs", async (t) => {
  const backup = await makeDatabase(t, "old");
  const file = await makeKilledDatabase(t, "new", "newer");
  const { code, stdout, stderr } = await runCli(t, ["restore", backup, "--json", ...url(file)]);
  assert.equal(code, 0, stderr);
  const { keptAs, ...report } = JSON.parse(stdout);
  assert.deepEqual(report, { file, bytes: statSync(file).size, sessions: 1, messages: 0 });
  assert.deepEqual(titlesOf(file), ["old"]);
  assert.ok((epochsOf(file)[0] ?? 0) > 1_700_000_000);
  assert.deepEqual(epochsOf(backup), [1], "the backup stays as it was");
  assert.deepEqual(besides(file), [basename(keptAs)]);
  assert.match(keptAs, /\.before-restore-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ$/);
  assert.deepEqual(titlesOf(keptAs), ["new", "newer"], "its WAL included");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  await fillDatabase(file, ["opens"]);
});

test("restoring again, in the same second, gives other epochs", async (t) => {
  const backup = await makeDatabase(t, "old");
  const file = join(temporaryDirectory(t), "new", "chatwire.db");
  const epochs = new Set<number | undefined>();
  for (let round = 0; round < 3; round += 1) {
    const { keptAs } = await restoreStorage({ type: "sqlite", path: file }, backup);
    assert.equal(keptAs === undefined, round === 0);
    epochs.add(epochsOf(file)[0]);
  }
  assert.equal(epochs.size, 3);
});

test("a WAL without its database is not taken for the restored one's", async (t) => {
  const backup = await makeDatabase(t, "old");
  const killed = await makeKilledDatabase(t, "new", "newer");
  const file = join(temporaryDirectory(t), "chatwire.db");
  copyFileSync(`${killed}-wal`, `${file}-wal`);
  await restoreStorage({ type: "sqlite", path: file }, backup);
  assert.deepEqual(titlesOf(file), ["old"]);
});

test("a damaged database is replaced too, and kept with its WAL", async (t) => {
  const backup = await makeDatabase(t, "old");
  const file = await makeKilledDatabase(t, "new", "newer");
  const letter = "this is a letter, not a database\n".repeat(200);
  writeFileSync(file, letter);
  const wal = readFileSync(`${file}-wal`);
  const { keptAs = "" } = await restoreStorage({ type: "sqlite", path: file }, backup);
  assert.deepEqual(titlesOf(file), ["old"]);
  assert.equal(readFileSync(keptAs, "utf8"), letter);
  assert.deepEqual(readFileSync(`${keptAs}-wal`), wal);
});

test("a backup that cannot be used is refused, and the database stays", async (t) => {
  const file = await makeDatabase(t, "here");
  const newer = await makeDatabase(t);
  execute(newer, "INSERT INTO schema_migrations VALUES ('store', 99, '0099-future', 0)");
  const foreign = join(temporaryDirectory(t), "foreign.db");
  execute(foreign, "CREATE TABLE addresses (a)");
  const empty = join(temporaryDirectory(t), "empty.db");
  writeFileSync(empty, "");
  const damaged = await makeDamagedDatabase(t);
  const cases: [string, RegExp][] = [
    [newer, /was written by a newer chatwire .*upgrade this one/],
    [foreign, /is no database of chatwire/],
    [empty, /is no database of chatwire/],
    [damaged, /it is damaged/],
    [file, /it is the database itself/],
    [join(dirname(file), "none.db"), /none\.db does not exist/],
  ];
  for (const [backup, text] of cases) {
    const { code, stderr } = await runCli(t, ["restore", backup, ...url(file)]);
    assert.equal(code, 1, backup);
    assert.match(stderr, text);
    assert.deepEqual(besides(file), []);
    assert.deepEqual(titlesOf(file), ["here"]);
  }
  const memory = await runCli(t, ["restore", file, "--database-url", "memory:"]);
  assert.match(memory.stderr, /DATABASE_URL is memory:/);
});

test("kill -9 at any step leaves the old database or the new one", async (t) => {
  const backup = await makeDatabase(t, "old");
  const preload = fileURLToPath(new URL("./kill-at-step.ts", import.meta.url));
  const child = fileURLToPath(new URL("./restore-child.ts", import.meta.url));
  const seen = new Set<string>();
  for (let step = 1; ; step += 1) {
    const file = await makeKilledDatabase(t, "new", "newer");
    const args = ["--import", preload, child, file, backup];
    const env = { ...process.env, KILL_AT: String(step) };
    const { status, signal, stderr } = spawnSync(process.execPath, args, { env });
    const titles = titlesOf(file)?.join() ?? "nothing";
    assert.ok(["new,newer", "old"].includes(titles), `step ${step}: ${titles}`);
    seen.add(titles);
    // Whatever was left behind, the next restore succeeds.
    await restoreStorage({ type: "sqlite", path: file }, backup);
    assert.deepEqual(titlesOf(file), ["old"]);
    assert.ok(!existsSync(`${file}.restoring`));
    if (status === 0) break;
    assert.equal(signal, "SIGKILL", stderr.toString());
  }
  assert.deepEqual([...seen].toSorted(), ["new,newer", "old"]);
});
