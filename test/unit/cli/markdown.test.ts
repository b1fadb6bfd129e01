import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createMarkdownPainter } from "../../../src/cli/markdown.ts";
import type { Paint } from "../../../src/cli/paint.ts";

/** Marks each painted character with its formats, so that two ways to paint the same can be compared. */
const paint: Paint = (format, text) => {
  const formats = [format].flat();
  return formats.length === 0 || text === ""
    ? text
    : `\ue001${formats.join("+")}\ue002${text}\ue003`;
};

/** What is shown, a character and its formats each. */
function look(shown: string): string[] {
  const looks: string[] = [];
  let formats = "";
  for (const [token = "", opening] of shown.matchAll(/\ue001([^\ue002]*)\ue002|\ue003|[\s\S]/gu)) {
    if (opening !== undefined) formats = opening;
    else if (token === "\ue003") formats = "";
    else looks.push(`${token}${token === "\n" ? "" : formats}`);
  }
  return looks;
}

const textOf = (shown: string) => shown.replace(/\ue001[^\ue002]*\ue002|\ue003/g, "");

function show(pieces: readonly string[], columns = 80): string {
  const painter = createMarkdownPainter(paint, () => columns);
  return pieces.map((piece) => painter.push(piece)).join("") + painter.end();
}

/** Every character of a piece with one of these formats. */
const painted = (format: string, text: string) => paint(format as "bold", text);

describe("Markdown as it streams", () => {
  test("spans, headings, lists, quotes and rules are painted, and every character stays", () => {
    for (const [source, expected] of [
      ["a **b** c", `a ${painted("dim", "**")}${painted("bold", "b")}${painted("dim", "**")} c`],
      ["*a* b", `${painted("dim", "*")}${painted("italic", "a")}${painted("dim", "*")} b`],
      ["`x*y*`", `${painted("dim", "`")}${painted("cyan", "x*y*")}${painted("dim", "`")}`],
      ["~~a~~", `${painted("dim", "~~")}${painted("strikethrough", "a")}${painted("dim", "~~")}`],
      ["# Top\nx", `${painted("bold", "# Top")}\nx`],
      ["- one\n1. two", `${painted("cyan", "-")} one\n${painted("cyan", "1.")} two`],
      ["> said", `${painted("dim", ">")} said`],
      ["---\n", `${painted("dim", "---")}\n`],
      [
        "[t](http://h/(x))",
        `${painted("dim", "[")}${painted("underline", "t")}${painted("dim", "](http://h/(x))")}`,
      ],
    ] as const) {
      assert.deepEqual(look(show([source])), look(expected), source);
    }
  });

  test("what only looks like a marker is left as it is", () => {
    for (const source of [
      "2 * 3 * 4",
      "snake_case_name",
      "a ** b",
      "\\*not\\*",
      "[1] and [2",
      "**open\nnext**",
      "5 - 3",
      "#tag",
      "1.5",
      "`` ` ",
    ]) {
      assert.equal(show([source]), source, source);
    }
  });

  test("a span is held back until it is whole, and the text before it is not", () => {
    const painter = createMarkdownPainter(paint, () => 80);
    assert.equal(painter.push("see **th"), "see ");
    assert.equal(painter.push("is"), "");
    assert.equal(textOf(painter.push("** now")), "**this** now");
    assert.equal(painter.push(" and on"), " and on");
  });

  test("code is shown as it comes, painted by its fence, whatever is in it", () => {
    const painter = createMarkdownPainter(paint, () => 80);
    assert.equal(painter.push("```js"), "");
    assert.equal(
      painter.push("\nlet **a"),
      `${painted("dim", "```js")}\n${painted("cyan", "let **a")}`,
    );
    assert.equal(painter.push("** = 1"), painted("cyan", "** = 1"));
    assert.equal(textOf(painter.push("\n``\n```\n**b** ")), "\n``\n```\n**b** ");
  });

  test("a table is shown once, when it is whole, its columns aligned; too wide a one as it is", () => {
    const source = "| a | bb |\n|---|--:|\n| long cell | 1 |\n";
    const aligned = "| a         |  bb |\n| --------- | --: |\n| long cell |   1 |\n";
    const painter = createMarkdownPainter(paint, () => 80);
    assert.equal(painter.push(source), "");
    assert.equal(textOf(painter.push("x")), `${aligned}x`);
    assert.equal(textOf(show([source], 12)), source);
    assert.equal(
      textOf(show([source.replace("long", "\u6f22")])),
      source.replace("long", "\u6f22"),
    );
    assert.equal(textOf(show(["| no table\n| at all\n"])), "| no table\n| at all\n");
  });

  test("a line that never ends, a span that never closes and a table that is too long are not held back for ever", () => {
    for (const [start, piece] of [
      ["**", "x"],
      ["[", "y"],
      ["", "| a | b |\n"],
      ["|", "z"],
      ["", "-"],
    ] as const) {
      const painter = createMarkdownPainter(paint, () => 80);
      const source = start + piece.repeat(40_000 / piece.length);
      let shown = "";
      for (const character of source.match(/[\s\S]{1,100}/g) ?? [])
        shown += painter.push(character);
      assert.ok(textOf(shown).length > source.length / 10, start + piece);
      assert.ok(source.startsWith(textOf(shown)), start + piece);
    }
  });

  test("what is flushed for a remark is shown as it is, and the code it was in goes on", () => {
    const painter = createMarkdownPainter(paint, () => 80);
    painter.push("```\n");
    painter.push("  ");
    assert.equal(painter.flush(), painted("cyan", "  "));
    assert.equal(painter.push("more"), painted("cyan", "more"));
    assert.equal(painter.end(), "");
    assert.equal(painter.push("plain"), "plain");
    painter.push(" **half");
    assert.equal(painter.flush(), "**half");
    assert.equal(painter.push("** done\n"), "** done\n");
  });

  const markdown = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          "*",
          "**",
          "_",
          "`",
          "```",
          "~~",
          "~~~",
          "\n",
          "\n\n",
          "# ",
          "- ",
          "1. ",
          "> ",
        ),
        fc.constantFrom(
          "[",
          "](",
          ")",
          "\\",
          "|",
          "| a | b |\n",
          "| --- | --- |\n",
          "---",
          " ",
          "\t",
        ),
        fc.constantFrom("word", "two words", "\u{1f469}\u200d\u{1f680}", "\u00e9", "x_y", "12"),
      ),
      { maxLength: 60 },
    )
    .map((pieces) => pieces.join(""));

  test("any text looks the same however it is cut, and loses no character", () => {
    fc.assert(
      fc.property(markdown, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (source, cuts) => {
        const pieces: string[] = [];
        const characters = Array.from(source);
        while (characters.length > 0) {
          pieces.push(characters.splice(0, cuts.next().value as number).join(""));
        }
        const shown = show(pieces);
        assert.deepEqual(look(shown), look(show([source])));
        const bare = (text: string) => text.replace(/[ |-]+/g, "").trimEnd();
        assert.equal(bare(textOf(shown)), bare(source));
        if (!source.includes("|")) assert.equal(textOf(shown), source);
      }),
      { numRuns: 300 },
    );
  });
});
