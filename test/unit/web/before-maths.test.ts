import assert from "node:assert/strict";
import { test } from "node:test";
import { beforeMaths, mathsToCode } from "../../../web/src/markdown/maths-source.ts";

test("what comes before the first maths ends where it begins, whole or not", () => {
  const before = (markdown: string) => beforeMaths(mathsToCode(markdown, true));
  assert.equal(before("a `code` b $x$ c"), "a `code` b ");
  assert.equal(before("a\n\n$$\nx +"), "a\n\n");
  assert.equal(before("a\n\n\\[x`y\\] b"), "a\n\n");
  assert.equal(before("from $5 to $10 in `$x$`"), "from $5 to $10 in `$x$`");
});
