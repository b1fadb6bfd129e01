import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";

const folder = new URL("../../../src/client/", import.meta.url);
const core = ["@bufbuild/protobuf", "@connectrpc/connect"];
const allowed: Record<string, string[]> = {
  "node.ts": [...core, "@connectrpc/connect-node", "node:http", "node:https"],
  "web.ts": [...core, "@connectrpc/connect-web"],
};

test("the client bundles for browsers: only node.ts imports Node, only web.ts the web transports", async () => {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".ts"));
  assert.ok(files.length > 20);
  for (const file of files) {
    const source = await readFile(new URL(file, folder), "utf8");
    const imported = [...source.matchAll(/^(?:import|export)[^;]*? from "([^"]+)";/gms)].map(
      ([, from = ""]) => from,
    );
    assert.ok(imported.length > 0 || !source.includes(" from "), file);
    for (const from of imported) {
      const isOurs = /^\.\/[a-z-]+\.ts$/.test(from) || from.startsWith("../gen/");
      assert.ok(isOurs || (allowed[file] ?? core).includes(from), `${file} imports ${from}`);
      const leaks = (from === "./node.ts" || from === "./web.ts") && file !== from.slice(2);
      assert.ok(!leaks, `${file} imports ${from}`);
    }
  }
});
