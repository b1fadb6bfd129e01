import assert from "node:assert/strict";
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fifoMissing, makeFifo } from "../../support/fifo.ts";
import { runCli, temporaryDirectory } from "./run-cli.ts";

test("a named pipe is no file of keys: nothing is read of it, and nothing put in its place", {
  skip: fifoMissing,
  timeout: 60_000,
}, async (t) => {
  const folder = temporaryDirectory(t);
  const file = join(folder, "keys.json");
  makeFifo(t, file);
  const commands: string[][] = [["create", "--name", "mine"], ["list"], ["revoke", "0".repeat(12)]];
  for (const args of commands) {
    const { code, stdout, stderr } = await runCli(t, ["keys", ...args, "--file", file]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /keys\.json is not a file\n$/);
    assert.ok(lstatSync(file).isFIFO());
  }
  assert.deepEqual(readdirSync(folder), ["keys.json"]);
});
