import assert from "node:assert/strict";
import { lstatSync, readdirSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fifoMissing, makeFifo } from "../../support/fifo.ts";
import { makeDatabase, titlesOf } from "./databases.ts";
import { runCli, temporaryDirectory } from "./run-cli.ts";

const url = (file: string) => ["--database-url", `sqlite:${file}`];
const options = { skip: fifoMissing, timeout: 60_000 };

/** A folder with a named pipe, a socket, a folder, and a link to a device: nothing that could be a database. */
async function makeKinds(t: TestContext): Promise<{ folder: string; names: string[] }> {
  const folder = temporaryDirectory(t);
  const names = ["pipe", "socket", "device"];
  makeFifo(t, join(folder, "pipe"));
  const server = createServer();
  await new Promise<void>((done) => server.listen(join(folder, "socket"), done));
  t.after(() => server.close());
  symlinkSync("/dev/null", join(folder, "device"));
  return { folder, names };
}

test("what is no regular file is never replaced by a backup", options, async (t) => {
  const file = await makeDatabase(t, "one");
  const { folder, names } = await makeKinds(t);
  for (const name of names) {
    const path = join(folder, name);
    const { ino, mode } = lstatSync(path);
    for (const force of [[], ["--force"]]) {
      const { code, stderr } = await runCli(t, ["backup", path, ...force, ...url(file)]);
      assert.equal(code, 1, name);
      assert.match(stderr, new RegExp(`${name} is no regular file`));
      const after = lstatSync(path);
      assert.deepEqual([after.ino, after.mode], [ino, mode], name);
    }
  }
  assert.deepEqual(readdirSync(folder).sort(), [...names].sort());
});

test(
  "a restore puts nothing in the place of what is no regular file, and reads none",
  options,
  async (t) => {
    const backup = await makeDatabase(t, "old");
    const { folder, names } = await makeKinds(t);
    for (const name of names.filter((each) => each !== "device")) {
      const path = join(folder, name);
      const { ino, mode } = lstatSync(path);
      const onto = await runCli(t, ["restore", backup, ...url(path)]);
      assert.equal(onto.code, 1, name);
      assert.match(onto.stderr, new RegExp(`${name} cannot be used: it is no regular file`));
      const after = lstatSync(path);
      assert.deepEqual([after.ino, after.mode], [ino, mode], name);
      const from = await runCli(t, ["restore", path, ...url(backup)]);
      assert.equal(from.code, 1, name);
      assert.match(from.stderr, /it is no regular file/);
      const of = await runCli(t, ["backup", join(folder, "copy.db"), ...url(path)]);
      assert.equal(of.code, 1, name);
      assert.match(of.stderr, /it is no regular file/);
    }
    assert.deepEqual(readdirSync(folder).sort(), [...names].sort());
    assert.deepEqual(titlesOf(backup), ["old"]);
  },
);
