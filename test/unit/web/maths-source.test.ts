import assert from "node:assert/strict";
import { test } from "node:test";
import { mathsMarks, mathsToCode } from "../../../web/src/markdown/maths-source.ts";

const { inline, display, incomplete } = mathsMarks;

const cases: readonly (readonly [name: string, markdown: string, expected: string])[] = [
  ["inline", "a $x_1$ b", `a \`${inline}x_1 \` b`],
  ["in parentheses", "a \\(x\\) b", `a \`${inline}x \` b`],
  ["a display", "$$\nx\n\n+ y\n$$", `\`${display}x + y \``],
  ["in brackets", "\\[ x \\]", `\`${display}x \``],
  ["not closed", "so $$x + ", "so $$x + "],
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
  ["nothing", "$$$$ text", "$$$$ text"],
  ["variables", "`a` is $HOME/bin:$PATH", "`a` is $HOME/bin:$PATH"],
  [
    "a process id",
    "The shell has $$ as its pid.\n\n# On $x$",
    `The shell has $$ as its pid.\n\n# On \`${inline}x \``,
  ],
  ["a bracket", "write \\[ here\n\nand $x$", `write \\[ here\n\nand \`${inline}x \``],
  ["a parenthesis", "write \\( here\n- or \\) there", "write \\( here\n- or \\) there"],
  [
    "indented code",
    "Run:\n\n    echo $$ and $a$ done\n\nThen $x$",
    `Run:\n\n    echo $$ and $a$ done\n\nThen \`${inline}x \``,
  ],
  ["an indented line of a paragraph", "so\n    $x$", `so\n    \`${inline}x \``],
  [
    "a fence in a list",
    "1. First:\n\n   ```js\n   $a$\n   ```\n\n2. Then $x$",
    `1. First:\n\n   \`\`\`js\n   $a$\n   \`\`\`\n\n2. Then \`${inline}x \``,
  ],
  [
    "a fence in a quote",
    "> ```\n> $a$\n> ```\n> $x$",
    `> \`\`\`\n> $a$\n> \`\`\`\n> \`${inline}x \``,
  ],
  ["an open fence in a quote", "> ```\n> $a$\n\n$x$", `> \`\`\`\n> $a$\n\n\`${inline}x \``],
  ["code in a list", "- a\n\n      $a$\n\n  $x$", `- a\n\n      $a$\n\n  \`${inline}x \``],
  ["a display in a list", "- a\n\n  $$\n  x\n  $$", `- a\n\n  \`${display}x \``],
  ["a display in a quote", "> $$\n> x\n> > y\n> $$\n> z", `> \`${display}x y \`\n> z`],
  ["a display in the midst", "a $$x$$, b", `a \`${display}x \`, b`],
  ["code with a backslash", "`\\` $x$", `\`\\\` \`${inline}x \``],
  [
    "a cell",
    "| $a | b$ |\n|-|-|\n| $$ | $x$ |",
    `| \`${inline}a | b \` |\n|-|-|\n| $$ | \`${inline}x \` |`,
  ],
];

for (const [name, markdown, expected] of cases) {
  test(`maths in Markdown: ${name}`, () => assert.equal(mathsToCode(markdown), expected));
}

test("while it is written, the last paragraph alone waits for the end of its maths", () => {
  const streamed = (markdown: string) => mathsToCode(markdown, true);
  assert.equal(streamed("so $$x +"), `so \`${incomplete}x + \``);
  assert.equal(streamed("so \\[x\n"), `so \`${incomplete}x \`\n`);
  assert.equal(streamed("$$ is it\n\nso \\(x"), `$$ is it\n\nso \`${incomplete}x \``);
  assert.equal(streamed("so $$x\n\n"), "so $$x\n\n");
});

test("maths that never ends takes no longer than its length allows", () => {
  for (const piece of ["\\(", "$$ ", "$", "$a ", "` `` ", "\\[\n\n", "$$\n\n", "> $$\n"]) {
    const markdown = piece.repeat(20_000);
    assert.ok(mathsToCode(markdown, true).length >= markdown.length / 4, piece);
  }
});
