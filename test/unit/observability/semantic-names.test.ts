import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";

test("the names of the semantic conventions stand in one file, and no other source repeats one", async () => {
  const root = new URL("../../../src/", import.meta.url);
  const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith(".ts"));
  const holders: string[] = [];
  for (const name of names) {
    const source = await readFile(new URL(name, root), "utf8");
    if (/["'`](?:gen_ai|rpc)\.[a-z]/.test(source)) holders.push(name);
  }
  assert.deepEqual(holders, ["observability/semantic-conventions.ts"]);
});
