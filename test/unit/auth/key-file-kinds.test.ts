import assert from "node:assert/strict";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { editKeyFile, readKeyFile } from "../../../src/auth/edit-key-file.ts";
import { type KeyFileOptions, openKeyFile } from "../../../src/auth/key-file.ts";
import { KeyFileError, keyFileBytesMax } from "../../../src/auth/key-list.ts";
import { readKeyText } from "../../../src/auth/read-key-text.ts";
import { fifoMissing, makeFifo } from "../../support/fifo.ts";
import { createKeyFolder, createTestKey, writeKeys } from "../../support/keys.ts";

/** Opens the file and waits for what it tells. */
async function openFollowed(t: TestContext, path: string, read?: KeyFileOptions["read"]) {
  const happened = new EventTarget();
  const problems: string[] = [];
  const tell = () => happened.dispatchEvent(new Event("anything"));
  const keys = await openKeyFile({
    path,
    onProblem(message) {
      problems.push(message);
      tell();
    },
    onReload: tell,
    ...(read && { read }),
  });
  t.after(keys.close);
  return {
    keys,
    problems,
    async until(condition: () => boolean) {
      while (!condition()) await once(happened, "anything", { signal: t.signal });
    },
  };
}

describe("what stands in the place of the key file", { timeout: 20_000 }, () => {
  test("a named pipe is a problem that is told, and the next file counts", {
    skip: fifoMissing,
  }, async (t) => {
    const path = join(createKeyFolder(t), "keys.json");
    const [old, next] = [createTestKey(), createTestKey()];
    writeKeys(path, [old.entry]);
    const { keys, problems, until } = await openFollowed(t, path);
    rmSync(path);
    makeFifo(t, path);
    await until(() => problems.some((problem) => problem.includes("is not a file")));
    assert.ok(keys.find(old.entry.id));
    rmSync(path);
    writeKeys(path, [next.entry]);
    await until(() => keys.find(next.entry.id) !== undefined);
    assert.equal(keys.find(old.entry.id), undefined);
  });

  test("a named pipe and a device are refused at the start, and by who lists and edits", {
    skip: fifoMissing,
  }, async (t) => {
    const path = join(createKeyFolder(t), "keys.json");
    makeFifo(t, path);
    const refused = (error: Error) => {
      assert.ok(error instanceof KeyFileError, String(error));
      assert.match(error.message, /is not a file$/);
      return true;
    };
    for (const each of [path, "/dev/null"]) {
      await assert.rejects(openKeyFile({ path: each, onProblem: () => assert.fail() }), refused);
      await assert.rejects(readKeyFile(each), refused);
    }
    await assert.rejects(
      editKeyFile(path, () => assert.fail("nothing is edited")),
      refused,
    );
  });

  test("who lists and edits reads no more than the server does", async (t) => {
    const path = join(createKeyFolder(t), "keys.json");
    writeFileSync(path, " ".repeat(keyFileBytesMax + 1));
    await assert.rejects(readKeyFile(path), /is too large/);
    await assert.rejects(
      editKeyFile(path, () => []),
      /is too large/,
    );
  });

  test("a read that takes longer than two looks is told, and does not keep the next from being read", async (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const path = join(createKeyFolder(t), "keys.json");
    const [old, next] = [createTestKey(), createTestKey()];
    writeKeys(path, [old.entry]);
    let stalled = Promise.resolve();
    const { keys, problems, until } = await openFollowed(t, path, async (file, known) => {
      await stalled;
      return readKeyText(file, known);
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    stalled = promise;
    t.mock.timers.tick(5_000);
    assert.deepEqual(problems, []);
    t.mock.timers.tick(5_000);
    t.mock.timers.tick(5_000);
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? "", /does not answer; the keys read before go on to count/);
    writeKeys(path, [next.entry]);
    resolve();
    await until(() => keys.find(next.entry.id) !== undefined);
  });
});
