import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { chatCommands } from "../../../src/cli/commands.ts";
import { exitCode } from "../../../src/cli/exit-code.ts";

const page = readFileSync(new URL("../../../docs/terminal.md", import.meta.url), "utf8");

test("docs/terminal.md lists every command of a conversation with what it takes, and no other", () => {
  const rows = page.split("\n").filter((line) => line.startsWith("| `/"));
  const listed = rows
    .flatMap((row) => [...(row.split(" | ")[0] ?? "").matchAll(/`([^`]+)`/g)])
    .map(([, command]) => command);
  assert.deepEqual(
    new Set(listed),
    new Set(chatCommands.map(({ name, takes }) => `${name} ${takes}`.trimEnd())),
  );
});

test("docs/terminal.md lists every exit code", () => {
  const listed = [...page.matchAll(/^\| (\d+) +\|/gm)].map(([, code]) => Number(code));
  assert.deepEqual(listed, Object.values(exitCode));
});
