import assert from "node:assert/strict";
import { test } from "node:test";
import { codeRows, readRepositoryFile } from "./tables.ts";

test("docs/dependencies.md gives a reason for every dependency and lists no other", () => {
  const { dependencies, devDependencies } = JSON.parse(readRepositoryFile("package.json")) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  const [runTime = "", bundledOrBuilt = ""] =
    readRepositoryFile("docs/dependencies.md").split("## In the page");
  for (const [text, listed] of [
    [runTime, dependencies],
    [bundledOrBuilt, devDependencies],
  ] as const) {
    const rows = codeRows(text);
    assert.deepEqual(rows.map(([name]) => name).sort(), Object.keys(listed).sort());
    for (const [name, reason] of rows) assert.ok(reason, name);
  }
});
