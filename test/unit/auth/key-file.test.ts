import assert from "node:assert/strict";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { type KeyFile, openKeyFile } from "../../../src/auth/key-file.ts";
import { formatKeyList, KeyFileError } from "../../../src/auth/key-list.ts";
import { createKeyFolder, createTestKey, writeKeys } from "../../support/keys.ts";

/** Opens the file, closes it after the test, and waits for what it tells. */
async function openFollowed(t: TestContext, path: string) {
  const happened = new EventTarget();
  const problems: string[] = [];
  let reloads = 0;
  const keys: KeyFile = await openKeyFile({
    path,
    onProblem(message) {
      problems.push(message);
      happened.dispatchEvent(new Event("anything"));
    },
    onReload() {
      reloads += 1;
      happened.dispatchEvent(new Event("anything"));
    },
  });
  t.after(keys.close);
  return {
    keys,
    problems,
    reloads: () => reloads,
    async until(condition: () => boolean) {
      while (!condition()) await once(happened, "anything", { signal: t.signal });
    },
  };
}

describe("the key file", { timeout: 60_000 }, () => {
  test("a file that is missing, broken, too large or none is an error at the start", async (t) => {
    const folder = createKeyFolder(t);
    const path = join(folder, "keys.json");
    const onProblem = () => assert.fail("it is thrown");
    await assert.rejects(openKeyFile({ path, onProblem }), (error: Error) => {
      assert.ok(error instanceof KeyFileError);
      assert.ok(error.message.includes(path) && error.message.includes("ENOENT"));
      return true;
    });
    writeFileSync(path, '{"keys":[{}]}');
    await assert.rejects(openKeyFile({ path, onProblem }), (error: Error) => {
      assert.ok(error instanceof KeyFileError);
      assert.ok(error.message.startsWith(`${path}: keys[0]:`));
      return true;
    });
    writeFileSync(path, " ".repeat(17 * 1024 * 1024));
    await assert.rejects(openKeyFile({ path, onProblem }), KeyFileError);
    await assert.rejects(openKeyFile({ path: folder, onProblem }), KeyFileError);
  });

  test("follows a file that is written in place or renamed over", async (t) => {
    const path = join(createKeyFolder(t), "keys.json");
    const [first, second, third] = [createTestKey(), createTestKey(), createTestKey()];
    writeKeys(path, [first.entry]);
    const { keys, until } = await openFollowed(t, path);
    assert.deepEqual(keys.find(first.entry.id), first.entry);
    writeKeys(path, [first.entry, second.entry]);
    await until(() => keys.find(second.entry.id) !== undefined);
    writeKeys(`${path}.new`, [third.entry]);
    renameSync(`${path}.new`, path);
    await until(() => keys.find(third.entry.id) !== undefined);
    assert.equal(keys.find(first.entry.id), undefined);
  });

  test("follows links that are swapped as Kubernetes swaps them", async (t) => {
    const folder = createKeyFolder(t);
    const [old, next] = [createTestKey(), createTestKey()];
    for (const [name, key] of [
      ["..1", old],
      ["..2", next],
    ] as const) {
      mkdirSync(join(folder, name));
      writeKeys(join(folder, name, "keys.json"), [key.entry]);
    }
    symlinkSync("..1", join(folder, "..data"));
    symlinkSync(join("..data", "keys.json"), join(folder, "keys.json"));
    const { keys, until } = await openFollowed(t, join(folder, "keys.json"));
    assert.ok(keys.find(old.entry.id));
    symlinkSync("..2", join(folder, "..tmp"));
    renameSync(join(folder, "..tmp"), join(folder, "..data"));
    await until(() => keys.find(next.entry.id) !== undefined);
    assert.equal(keys.find(old.entry.id), undefined);
  });

  test("looks every 5 s for what the folder does not tell", async (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const folder = createKeyFolder(t);
    const elsewhere = createKeyFolder(t);
    const [old, next] = [createTestKey(), createTestKey()];
    writeKeys(join(elsewhere, "keys.json"), [old.entry]);
    symlinkSync(join(elsewhere, "keys.json"), join(folder, "keys.json"));
    const { keys, until } = await openFollowed(t, join(folder, "keys.json"));
    writeKeys(join(elsewhere, "new"), [next.entry]);
    renameSync(join(elsewhere, "new"), join(elsewhere, "keys.json"));
    t.mock.timers.tick(5_000);
    await until(() => keys.find(next.entry.id) !== undefined);
  });

  test("sees another file of the same size that was written in the same moment", async (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const folder = createKeyFolder(t);
    const elsewhere = createKeyFolder(t);
    const keysOf = Array.from({ length: 20 }, () => createTestKey());
    const target = join(elsewhere, "keys.json");
    writeKeys(target, []);
    symlinkSync(target, join(folder, "keys.json"));
    const { keys, until } = await openFollowed(t, join(folder, "keys.json"));
    for (const { entry } of keysOf) {
      writeKeys(target, [entry]);
      t.mock.timers.tick(5_000);
      await until(() => keys.find(entry.id) !== undefined);
    }
  });

  test("a broken or missing file keeps the keys, is told once, and a mended one counts", async (t) => {
    const path = join(createKeyFolder(t), "keys.json");
    const [first, second] = [createTestKey(), createTestKey()];
    writeKeys(path, [first.entry]);
    const { keys, problems, until, reloads } = await openFollowed(t, path);
    writeFileSync(`${path}.new`, '{"keys":[{"id":"me"}]}');
    renameSync(`${path}.new`, path);
    await until(() => problems.length === 1);
    assert.match(problems[0] ?? "", /keys\[0\]: id: .*the keys read before/);
    assert.ok(keys.find(first.entry.id));
    rmSync(path);
    await until(() => problems.length === 2);
    assert.match(problems[1] ?? "", /ENOENT/);
    // Whatever happens in the folder is looked at.
    for (let count = 0; count < 20; count += 1) await writeFile(`${path}.noise`, String(count));
    assert.ok(keys.find(first.entry.id));
    assert.equal(reloads(), 0);
    writeKeys(`${path}.new`, [second.entry]);
    renameSync(`${path}.new`, path);
    await until(() => keys.find(second.entry.id) !== undefined);
    assert.equal(problems.length, 2);
  });

  test("warns of a file that others may write, at the start and when it becomes so", async (t) => {
    const path = join(createKeyFolder(t), "keys.json");
    writeKeys(path, [createTestKey().entry]);
    const { problems, until } = await openFollowed(t, path);
    assert.deepEqual(problems, []);
    chmodSync(path, 0o664);
    await until(() => problems.length === 1);
    assert.match(problems[0] ?? "", /written by others/);
    assert.equal((await openFollowed(t, path)).problems.length, 1);
    chmodSync(path, 0o644);
    assert.equal((await openFollowed(t, path)).problems.length, 0);
  });

  test("follows nothing once closed", async (t) => {
    const path = join(createKeyFolder(t), "keys.json");
    const [first, second] = [createTestKey(), createTestKey()];
    writeKeys(path, [first.entry]);
    const closed = await openFollowed(t, path);
    closed.keys.close();
    closed.keys.close();
    const witness = await openFollowed(t, path);
    writeFileSync(path, formatKeyList([second.entry]));
    await witness.until(() => witness.keys.find(second.entry.id) !== undefined);
    assert.equal(closed.reloads(), 0);
    assert.ok(readFileSync(path, "utf8").includes(second.entry.id));
  });
});
