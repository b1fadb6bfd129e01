import assert from "node:assert/strict";
import { test } from "node:test";
import { mathsMarks, mathsToCode } from "../../../web/src/markdown/maths-source.ts";

const { inline, display, incomplete } = mathsMarks;

const cases: readonly (readonly [name: string, markdown: string, expected: string])[] = [
  ["inline", "a $x_1$ b", `a \`${inline}x_1 \` b`],
  ["in parentheses", "a \\(x\\) b", `a \`${inline}x \` b`],
  ["a display", "$$\nx\n\n+ y\n$$", `\`${display}x + y \``],
  ["in brackets", "\\[ x \\]", `\`${display}x \``],
  ["not closed yet", "so $$x + ", `so \`${incomplete}x + \``.replace("+ `", "+ `")],
  ["prices", "from $5 to $10, or $ 3 and 4 $", "from $5 to $10, or $ 3 and 4 $"],
  ["an escaped dollar", "\\$x$ y", "\\$x$ y"],
  ["inline code", "`$x$` and ``a`$y$``", "`$x$` and ``a`$y$``"],
  [
    "a fence",
    "```sh\necho $HOME $PATH\n```\n$x$",
    `\`\`\`sh\necho $HOME $PATH\n\`\`\`\n\`${inline}x \``,
  ],
  ["an open fence", "text\n~~~\n$x$", "text\n~~~\n$x$"],
  ["two lines", "a $x\ny$ b", "a $x\ny$ b"],
  ["nothing", "$$$$ text", " text"],
];

for (const [name, markdown, expected] of cases) {
  test(`maths in Markdown: ${name}`, () => assert.equal(mathsToCode(markdown), expected));
}
