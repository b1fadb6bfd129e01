import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import { editKeyFile, readKeyFile } from "../../../src/auth/edit-key-file.ts";
import { lockFile } from "../../../src/auth/file-lock.ts";
import { type KeyEntry, KeyFileError } from "../../../src/auth/key-list.ts";
import { createKeyFolder, createTestKey, writeKeys } from "../../support/keys.ts";

const add =
  (entry: KeyEntry) =>
  (entries: readonly KeyEntry[] = []) => [...entries, entry];

describe("editing the key file", { timeout: 60_000 }, () => {
  test("a file that is missing is created for its owner alone", async (t) => {
    const path = join(createKeyFolder(t), "keys.json");
    const { entry } = createTestKey();
    await assert.rejects(readKeyFile(path), KeyFileError);
    await editKeyFile(path, (entries) => {
      assert.equal(entries, undefined);
      return [entry];
    });
    assert.deepEqual(await readKeyFile(path), [entry]);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  test("the new file takes the old one's place at once, with its mode, and leaves nothing behind", async (t) => {
    const folder = createKeyFolder(t);
    const path = join(folder, "keys.json");
    const [first, second] = [createTestKey(), createTestKey()];
    writeKeys(path, [first.entry]);
    chmodSync(path, 0o640);
    const old = statSync(path);
    await editKeyFile(path, add(second.entry));
    const made = statSync(path);
    assert.notEqual(made.ino, old.ino);
    assert.deepEqual([made.mode, made.uid, made.gid], [old.mode, old.uid, old.gid]);
    assert.deepEqual(await readKeyFile(path), [first.entry, second.entry]);
    assert.deepEqual(readdirSync(folder), ["keys.json"]);
  });

  test("a link goes on to point where it did", async (t) => {
    const [folder, elsewhere] = [createKeyFolder(t), createKeyFolder(t)];
    const target = join(elsewhere, "keys.json");
    const path = join(folder, "link.json");
    writeKeys(target, []);
    symlinkSync(target, path);
    await editKeyFile(path, add(createTestKey().entry));
    assert.ok(lstatSync(path).isSymbolicLink());
    assert.equal(realpathSync(path), realpathSync(target));
    assert.equal((await readKeyFile(target)).length, 1);
  });

  test("of many that edit at once, each one's change is there", async (t) => {
    const folder = createKeyFolder(t);
    const path = join(folder, "keys.json");
    const entries = Array.from({ length: 20 }, () => createTestKey().entry);
    await Promise.all(entries.map((entry) => editKeyFile(path, add(entry))));
    const ids = (await readKeyFile(path)).map(({ id }) => id);
    assert.deepEqual(ids.sort(), entries.map(({ id }) => id).sort());
    assert.deepEqual(readdirSync(folder), ["keys.json"]);
  });

  test("what fails changes nothing and gives the lock back", async (t) => {
    const folder = createKeyFolder(t);
    const path = join(folder, "keys.json");
    writeFileSync(path, '{"keys":[{}]}');
    await assert.rejects(
      editKeyFile(path, () => []),
      KeyFileError,
    );
    assert.equal(readFileSync(path, "utf8"), '{"keys":[{}]}');
    writeKeys(path, []);
    const before = readFileSync(path, "utf8");
    const why = new Error("no");
    await assert.rejects(
      editKeyFile(path, () => {
        throw why;
      }),
      why,
    );
    const unreadable = { ...createTestKey().entry, name: "" };
    await assert.rejects(editKeyFile(path, add(unreadable)), KeyFileError);
    assert.equal(readFileSync(path, "utf8"), before);
    assert.deepEqual(readdirSync(folder), ["keys.json"]);
    await assert.rejects(
      editKeyFile(join(folder, "none", "keys.json"), () => []),
      KeyFileError,
    );
  });

  test("a lock that another holds is waited for, and one left behind is taken", async (t) => {
    const path = join(createKeyFolder(t), "keys.json");
    const options = { waitMs: 100, staleMs: 60_000 };
    const held = await lockFile(path, options);
    assert.ok(held);
    assert.equal(await lockFile(path, options), undefined);
    await assert.rejects(
      editKeyFile(path, () => [], options),
      KeyFileError,
    );
    assert.equal(existsSync(path), false);
    assert.equal(await held.isHeld(), true);
    const anHourAgo = Date.now() / 1000 - 3_600;
    utimesSync(`${path}.lock`, anHourAgo, anHourAgo);
    const taken = await lockFile(path, options);
    assert.ok(taken);
    assert.deepEqual([await held.isHeld(), await taken.isHeld()], [false, true]);
    await held.release();
    assert.equal(await taken.isHeld(), true);
    await taken.release();
    assert.equal(existsSync(`${path}.lock`), false);
  });

  test("of many that find a lock left behind, one has it at a time", async (t) => {
    const folder = createKeyFolder(t);
    const path = join(folder, "keys.json");
    writeFileSync(`${path}.lock`, "left behind");
    const anHourAgo = Date.now() / 1000 - 3_600;
    utimesSync(`${path}.lock`, anHourAgo, anHourAgo);
    let holders = 0;
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const lock = await lockFile(path, { waitMs: 30_000, staleMs: 30_000 });
        assert.ok(lock);
        holders += 1;
        assert.equal(holders, 1);
        assert.equal(await lock.isHeld(), true);
        holders -= 1;
        await lock.release();
      }),
    );
    assert.deepEqual(readdirSync(folder), []);
  });

  test("a holder that lost its lock meanwhile writes nothing", async (t) => {
    const folder = createKeyFolder(t);
    const path = join(folder, "keys.json");
    writeKeys(path, []);
    const before = readFileSync(path, "utf8");
    await assert.rejects(
      editKeyFile(path, (entries = []) => {
        writeFileSync(`${path}.lock`, "somebody else's");
        return [...entries, createTestKey().entry];
      }),
      KeyFileError,
    );
    assert.equal(readFileSync(path, "utf8"), before);
    assert.deepEqual(readdirSync(folder).sort(), [basename(path), `${basename(path)}.lock`]);
  });
});
