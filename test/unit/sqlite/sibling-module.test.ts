import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { siblingModule } from "../../../src/sqlite/sibling-module.ts";

test("a sibling has the extension of its caller, as a source and compiled", () => {
  const source = siblingModule("worker", "file:///app/src/sqlite/database.ts");
  const compiled = siblingModule("worker", "file:///app/dist/sqlite/database.js");
  assert.equal(source.href, "file:///app/src/sqlite/worker.ts");
  assert.equal(compiled.href, "file:///app/dist/sqlite/worker.js");
});

test("a sibling of this file is found", () => {
  assert.ok(existsSync(siblingModule("sibling-module.test", import.meta.url)));
});
