import assert from "node:assert/strict";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { test } from "node:test";
import { openDatabase } from "../../../src/sqlite/database.ts";
import { DatabaseInUseError } from "../../../src/sqlite/errors.ts";
import { startChild } from "./child.ts";
import { openProbe, temporaryFolder } from "./probe.ts";

const holdDatabase = new URL("./hold-database.ts", import.meta.url);

test("a second process is refused with the first one's pid and address, before a row", async (t) => {
  const file = join(await temporaryFolder(t), "a.db");
  const holder = startChild(t, holdDatabase, file);
  assert.equal(await holder.nextLine(), "open");
  const before = await readFile(file);
  await assert.rejects(openProbe(t, file), (error) => {
    assert.ok(error instanceof DatabaseInUseError);
    assert.equal(error.pid, holder.pid);
    assert.equal(error.url, "http://localhost:50051");
    assert.match(error.message, new RegExp(`${holder.pid}.*50051`));
    return true;
  });
  assert.deepEqual(await readFile(file), before);
});

test("kill -9 frees the database", async (t) => {
  const file = join(await temporaryFolder(t), "a.db");
  for (let round = 0; round < 2; round += 1) {
    const holder = startChild(t, holdDatabase, file);
    assert.equal(await holder.nextLine(), "open");
    await holder.kill();
  }
  const { probe } = await openProbe(t, file, {});
  await probe("write", { text: "mine" });
});

test("close frees the database, also in the same process", async (t) => {
  const file = join(await temporaryFolder(t), "a.db");
  const first = await openProbe(t, file, { owner: { url: "http://localhost:1" } });
  await assert.rejects(openProbe(t, file), { name: "DatabaseInUseError", pid: process.pid });
  // The refusal must not have cost the first one its lock.
  await assert.rejects(openProbe(t, file), { name: "DatabaseInUseError", pid: process.pid });
  const holder = startChild(t, new URL("./try-database.ts", import.meta.url), file);
  assert.equal(await holder.nextLine(), `DatabaseInUseError ${process.pid} http://localhost:1`);
  await first.database.close();
  await openProbe(t, file);
});

test("every path to a file is the same lock", async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, "data"));
  await symlink(join(folder, "data"), join(folder, "link"));
  await openProbe(t, join(folder, "data", "a.db"));
  await symlink(join(folder, "data", "a.db"), join(folder, "alias.db"));
  const paths = [
    join(folder, "link", "a.db"),
    join(folder, "alias.db"),
    relative(process.cwd(), join(folder, "data", "a.db")),
    join(folder, "data", "..", "data", "a.db"),
  ];
  for (const path of paths) {
    await assert.rejects(openProbe(t, path), { name: "DatabaseInUseError" }, path);
  }
});

test("a description that nobody lives behind, or that is damaged, does not keep anybody out", async (t) => {
  const file = join(await temporaryFolder(t), "a.db");
  await writeFile(`${file}.owner.json`, "{damaged");
  const database = await openDatabase({
    file,
    durability: "normal",
    modules: [],
    owner: { url: "" },
  });
  await database.close();
  await assert.rejects(readFile(`${file}.owner.json`), { code: "ENOENT" });
});
