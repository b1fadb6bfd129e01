import assert from "node:assert/strict";
import { test } from "node:test";
import { isTooNested } from "../../../web/src/markdown/is-too-nested.ts";

const many = 50_000;

for (const piece of ["> ", ">", "- ", "1. ", "> - ", "[", "![", "*a ", "**a _b ", "~~a ", "`a"]) {
  test(`${JSON.stringify(piece)} over and over is too much`, () => {
    assert.equal(isTooNested(`${piece.repeat(many)}x`), true);
  });
}

test("lists, each in the one before, are too much", () => {
  const lines = Array.from({ length: 300 }, (_, level) => `${"  ".repeat(level)}- a`);
  assert.equal(isTooNested(lines.join("\n")), true);
});

test("emphasis, links and rows without number are too much", () => {
  for (const text of [
    `${"*".repeat(many)}a${"*".repeat(many)}`,
    `${"[a](".repeat(many)}`,
    "[]".repeat(many),
    "]".repeat(many),
    "a\n".repeat(many),
    "a\n\n".repeat(many),
    `${"|a".repeat(many)}\n${"|-".repeat(many)}`,
  ]) {
    assert.equal(isTooNested(text), true, text.slice(0, 12));
  }
});

test("what people write is not too much", () => {
  const code = Array.from({ length: 5_000 }, (_, line) => `\u001b[32m a[${line} > *b`).join("\n");
  for (const text of [
    "> > - 1. a\n\n  **b _c [d](e)_**",
    "- a\n".repeat(4_000),
    `| a | b |\n|-|-|\n${"| **c** | [d](e) |\n".repeat(2_000)}`,
    `\`\`\`\n${code}\n\`\`\``,
    "A sentence with *a word* and a [link](https://a.example). ".repeat(200),
  ]) {
    assert.equal(isTooNested(text), false, text.slice(0, 12));
  }
});
