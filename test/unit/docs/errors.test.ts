import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { test } from "node:test";
import { codeRows, readRepositoryFile } from "./tables.ts";

const source = readRepositoryFile("src/chat/errors.ts");
const guard = readRepositoryFile("src/listener/request-guard.ts");
const rows = codeRows(readRepositoryFile("docs/errors.md"));

/** The texts of a union type of the source. */
function membersOf(type: string): string[] {
  const [, body = ""] = new RegExp(`export type ${type} =([^;]*);`).exec(source) ?? [];
  return textsIn(body);
}

function textsIn(code: string): string[] {
  return [...code.matchAll(/"([^"]+)"/g)].map(([, text = ""]) => text);
}

test("docs/errors.md explains every reason once and no other", () => {
  const [, refusals = ""] = /reason: ("[^;]*);/.exec(guard) ?? [];
  const reasons = [
    ...membersOf("ErrorReason"),
    ...membersOf("RequestErrorReason"),
    ...membersOf("ModelErrorReason"),
    ...textsIn(refusals),
  ];
  assert.ok(reasons.length > 20);
  assert.deepEqual(rows.map(([reason]) => reason).sort(), reasons.sort());
});

test("docs/errors.md names only statuses that there are, and leaves no cell empty", () => {
  const statuses = membersOf("ChatErrorKind").map((kind) => kind.toUpperCase());
  for (const [reason, status = "", ...texts] of rows) {
    for (const one of status.split(", ")) assert.ok(statuses.includes(one), `${reason}: ${one}`);
    assert.equal(texts.filter((text) => text !== "").length, 2, reason);
  }
});

test("docs/errors.md gives each reason the statuses that the sources give it", () => {
  const documented = new Map(rows.map(([reason, status = ""]) => [reason, status.split(", ")]));
  const thrown = /Error\(\s*"([a-z_]+)",\s*"([A-Z_]+)"/g;
  const folder = new URL("../../../src/", import.meta.url);
  let compared = 0;
  for (const path of globSync("**/*.ts", { cwd: folder })) {
    for (const [, kind = "", reason = ""] of readRepositoryFile(`src/${path}`).matchAll(thrown)) {
      compared += 1;
      const status = kind.toUpperCase();
      assert.ok(documented.get(reason)?.includes(status), `${path}: ${reason} is ${status}`);
    }
  }
  assert.ok(compared > 10);
});
