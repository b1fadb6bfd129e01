import assert from "node:assert/strict";
import { test } from "node:test";
import { blocksOf } from "../../../web/src/markdown/source-blocks.ts";

const cases: readonly (readonly [markdown: string, blocks: readonly string[]])[] = [
  ["a\nb\n\nc", ["text 0 a\nb", "text 0 c"]],
  ["# a\nb\n| c |\n| d |", ["text 0 # a", "text 0 b", "text 0 | c |", "text 0 | d |"]],
  ["```\na\n\n# b\n```\nc", ["code 0 ```\na\n\n# b\n```", "text 0 c"]],
  ["````\n```\n````\nc", ["code 0 ````\n```\n````", "text 0 c"]],
  ["~~~ `a`\n```\n~~~", ["code 0 ~~~ `a`\n```\n~~~"]],
  ["``` a`b\nc", ["text 0 ``` a`b\nc"]],
  ["a\n\n    b\n    c\n\nd", ["text 0 a", "code 0 b\n    c", "text 0 d"]],
  ["a\n    b", ["text 0 a\n    b"]],
  ["\ta", ["code 0 a"]],
  ["> a\nb\n\nc", ["text 1 a\nb", "text 0 c"]],
  ["> ```\n> a\nb", ["code 1 ```\n> a", "text 0 b"]],
  ["- a\n  - b\n\n    c\n- d", ["text 1 a", "text 2 b", "text 2 c", "text 1 d"]],
  ["1. a\n\n   ```\n   b\n   ```\n2. c", ["text 1 a", "code 1 ```\n   b\n   ```", "text 1 c"]],
  ["- > - a", ["text 3 a"]],
  ["* * *\na", ["text 0 * * *\na"]],
  ["a\n7. b", ["text 0 a\n7. b"]],
  ["[^1]: a", ["text 1 a"]],
  ["a\r\n\r\nb", ["text 0 a\r", "text 0 b"]],
];

for (const [markdown, expected] of cases) {
  test(`blocks of ${JSON.stringify(markdown)}`, () => {
    const blocks = [...blocksOf(markdown)];
    assert.deepEqual(
      blocks.map(({ kind, start, end, depth }) => `${kind} ${depth} ${markdown.slice(start, end)}`),
      expected,
    );
  });
}
