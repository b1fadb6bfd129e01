import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { topBlocksOf } from "../../../web/src/markdown/top-blocks.ts";

const cases: readonly (readonly string[])[] = [
  ["a\nb\n\n", "c"],
  ["# a\nb\n\n", "| c |\n|-|\n| d |\n\n", "e"],
  ["a\n", "- b\n\n- c\n\n  d\n", "# e"],
  ["> a\n\n> b\n\n", "c"],
  ["a\n", "```\nb\n\nc\n```\n", "d"],
  ["    a\n\n    b\n\n", "c"],
  ["```\na\n```\n", "```\nb\n```"],
  ["1. a\n\n", "```\nb\n```\n\n", "2. c"],
  ["a $$ b\n\n", "c $$ d"],
  ["a[^1]\n\nb\n\n[^1]: c"],
];

for (const parts of cases) {
  test(`${JSON.stringify(parts.join(""))} is cut into what stands by itself`, () => {
    assert.deepEqual(topBlocksOf(parts.join("")), parts);
  });
}

test("the parts of any source are the source", () => {
  const pieces = fc.constantFrom(
    "a",
    "\n",
    " ",
    "\t",
    "> ",
    "- ",
    "1. ",
    "```",
    "$$",
    "|",
    "#",
    "\r\n",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 40 }), (written) => {
      assert.equal(topBlocksOf(written.join("")).join(""), written.join(""));
    }),
  );
});
