import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Chunk, createChunker } from "../../../src/chat/chunker.ts";
import type { ChunkBy } from "../../../src/chat/turn.ts";

const all: readonly ChunkBy[] = ["model", "word", "character"];

/** How much may wait for its rest; see chunker.ts. */
const heldUnitsMax = 256;

/** Scripts whose words a dictionary finds, in what has come so far. */
const unspaced =
  /\p{scx=Han}|\p{scx=Hira}|\p{scx=Kana}|\p{scx=Thai}|\p{scx=Laoo}|\p{scx=Khmr}|\p{scx=Mymr}/u;

const family = "👨‍👩‍👧‍👦";
const zalgo = `z${"\u0301\u0489\u035f".repeat(8)}`;

/** Pieces of text that are easily cut in the wrong place. */
const delicate = fc.constantFrom(
  family,
  "🏳️‍🌈",
  "👍🏽",
  "🇩🇪",
  "🇫🇷🇩",
  "葛\u{e0100}",
  "e\u0301",
  " \u0301",
  "\r\n\u200d",
  " 🏽",
  "\r\n",
  "\r",
  "\n\n",
  "\t",
  "  ",
  "漢字と仮名。",
  "ภาษาไทยง่ายนิดเดียว",
  "क्षत्रिय",
  "हिन्दी",
  "👨🏽‍🚒",
  "e\u0301\u0301\u0301",
  " a\u0308",
  "7\ufe0f\u20e3",
  "\u0600" + "1",
  "한국어",
  zalgo,
  "\u200d",
  "\ud83d",
  "\udc68",
  "word ",
  "https://example.org/a?b=c",
);

const text = fc
  .array(fc.oneof(delicate, fc.string({ unit: "binary", maxLength: 6 })), { maxLength: 24 })
  .map((pieces) => pieces.join(""));

/** A text and where it is cut, in UTF-16 units. */
const cutText = text.chain((whole) =>
  fc.array(fc.nat({ max: whole.length }), { maxLength: 40 }).map((cuts) => cutAt(whole, cuts)),
);

describe("the chunker", () => {
  for (const chunkBy of all) {
    it(`gives every text back byte for byte, however it is cut, by ${chunkBy}`, () => {
      fc.assert(
        fc.property(cutText, (parts) => {
          const chunks = chunksOf(chunkBy, parts);
          assert.equal(joined(chunks), parts.join("").toWellFormed());
          assert.ok(chunks.every((chunk) => chunk.text !== "" && !chunk.thought));
        }),
        { numRuns: 1_000 },
      );
    });

    it(`keeps thoughts and text apart and in their order, by ${chunkBy}`, () => {
      const runs = fc.array(fc.record({ text: text.map(wellFormed), thought: fc.boolean() }));
      fc.assert(
        fc.property(runs, (parts) => {
          const chunker = createChunker(chunkBy);
          const chunks = parts.flatMap((part) => chunker.push(part.text, part.thought));
          assert.deepEqual(merge([...chunks, ...chunker.flush()]), merge(parts));
        }),
      );
    });

    it(`never holds more than a bounded piece, by ${chunkBy}`, () => {
      const endless = [
        "a",
        " ",
        "\u0301",
        "\u200d",
        "字",
        "ก",
        "🇩🇪",
        "!",
        "\r",
        family,
        "a\u0301 ",
      ];
      for (const piece of endless) {
        assert.ok(heldMost(chunkBy, units(piece.repeat(2_000))) <= heldUnitsMax + 2, piece);
      }
    });

    it(`keeps a Lao vowel sign with the character before it, by ${chunkBy}`, () => {
      assert.equal(chunksOf(chunkBy, ["\u19db\u0eb3"]).length, 1);
    });

    it(`cuts nowhere inside a grapheme of a text that comes at once, by ${chunkBy}`, () => {
      fc.assert(
        fc.property(text.map(wellFormed), (whole) => {
          const inside = boundaries(chunksOf(chunkBy, [whole])).filter(
            (at) => !graphemeStarts(whole).has(at),
          );
          assert.deepEqual(inside, []);
        }),
      );
    });

    it(`cuts nowhere inside a grapheme however the text is cut, by ${chunkBy}`, () => {
      fc.assert(
        fc.property(cutText, (parts) => {
          assert.deepEqual(cutGraphemes(parts, chunksOf(chunkBy, parts)), []);
          const whole = parts.join("");
          assert.deepEqual(cutGraphemes(units(whole), chunksOf(chunkBy, units(whole))), []);
        }),
        { numRuns: 2_000 },
      );
    });

    it(`takes a megabyte that comes unit by unit, by ${chunkBy}`, () => {
      const whole = `The quick brown ${family} jumps over the 狐狸. `.repeat(20_000);
      const parts = units(whole.slice(0, 1_000_000));
      // Each push looks at what is held and what is new: bounded pieces make the whole linear.
      assert.ok(heldMost(chunkBy, parts) <= heldUnitsMax);
    });
  }

  it("gives exactly the grapheme clusters of the whole text by character", () => {
    fc.assert(
      fc.property(cutText, (parts) => {
        const chunks = chunksOf("character", parts).map((chunk) => chunk.text);
        assert.deepEqual(chunks, graphemes(parts.join("")));
      }),
      { numRuns: 1_000 },
    );
  });

  it("gives the same characters when the text comes unit by unit", () => {
    const whole = `${family}👍🏽葛\u{e0100}🇩🇪🇫🇷 e\u0301\r\nक्षत्रिय${zalgo}한`;
    const chunks = chunksOf("character", units(whole)).map((chunk) => chunk.text);
    assert.deepEqual(chunks, graphemes(whole));
  });

  it("gives a model's parts as they are, and at once where they end in whitespace", () => {
    const chunker = createChunker("model");
    for (const part of ["w1 ", "Hello,\n", "\t", "  "]) {
      assert.deepEqual(chunker.push(part, false), [{ text: part, thought: false }]);
      assert.deepEqual([chunker.held(), chunker.mayRelease()], [0, false]);
    }
    assert.deepEqual(chunker.flush(), []);
  });

  it("gives any other part whole: when the next one shows that it is, or when it has waited", () => {
    const chunker = createChunker("model");
    const parts = ["Hel", "lo,", "  wor", "ld", "漢字", "仮"];
    const given = parts.map((part) => texts(chunker.push(part, false)));
    assert.deepEqual(given, [[], ["Hel"], ["lo,"], ["  wor"], ["ld"], ["漢字"]]);
    assert.deepEqual([chunker.held(), chunker.mayRelease()], [1, true]);
    assert.deepEqual(texts(chunker.release()), ["仮"]);
    assert.deepEqual([chunker.held(), chunker.mayRelease()], [0, false]);
    assert.deepEqual(chunker.release(), []);
    assert.deepEqual(chunker.flush(), []);
  });

  it("does not release what is likely to go on", () => {
    for (const likely of [family, "👍", "🇩", "e\u0301", "हि", "ภ", "ᄒ", "a\r", "a\ud83d"]) {
      for (const chunkBy of all) {
        const chunker = createChunker(chunkBy);
        chunker.push(likely, false);
        assert.equal(chunker.mayRelease(), false, likely);
        assert.deepEqual(chunker.release(), []);
        assert.notEqual(chunker.held(), 0);
      }
    }
  });

  it("holds half a grapheme of a model's part until its rest has come", () => {
    const halves: [string, string][] = [
      ["a\ud83d", "\udc68"],
      ["a👨\u200d", "👩"],
      ["a🇩", "🇪"],
      ["a\r", "\n"],
      [`${"🇩🇪".repeat(150)}🇫`, "🇷"],
    ];
    for (const [first, second] of halves) {
      const [, cut] = chunksOf("model", [first, second]);
      assert.equal(graphemes(cut?.text ?? "").length, 1, JSON.stringify(first));
      assert.equal(graphemes(first + second).at(-1), cut?.text);
    }
  });

  it("cuts behind the whole space after each word, and gives a word as soon as the next begins", () => {
    const chunker = createChunker("word");
    assert.deepEqual(texts(chunker.push("  The qu", false)), ["  ", "The "]);
    assert.deepEqual(texts(chunker.push("ick\n\n", false)), []);
    assert.deepEqual(texts(chunker.push("\tbrown fox", false)), ["quick\n\n\t", "brown "]);
    assert.deepEqual(texts(chunker.flush()), ["fox"]);
  });

  it("gives the same words however the model cuts the text", () => {
    const spaced = fc.oneof(delicate, fc.constantFrom("a ", "x".repeat(130), " ".repeat(90)));
    const any = fc.array(spaced, { maxLength: 24 }).map((pieces) => pieces.join(""));
    const cut = fc
      .oneof(any, text)
      .filter((whole) => !unspaced.test(whole))
      .chain((whole) => {
        const cuts = fc.array(fc.nat({ max: whole.length }), { maxLength: 40 });
        return cuts.map((places) => cutAt(whole, places));
      });
    const property = fc.property(cut, (parts) => {
      const whole = parts.join("");
      const atOnce = texts(chunksOf("word", [whole]));
      assert.deepEqual(texts(chunksOf("word", parts)), atOnce);
      assert.deepEqual(texts(chunksOf("word", units(whole))), atOnce);
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  it("finds the words of scripts that put no spaces between them", () => {
    const chinese = texts(chunksOf("word", ["我喜欢苹果。你呢？"]));
    assert.ok(chinese.length >= 4, chinese.join("|"));
    const thai = texts(chunksOf("word", ["ภาษาไทยง่ายนิดเดียว"]));
    assert.ok(thai.length >= 3, thai.join("|"));
  });

  it("is not slowed down by a megabyte of spaces, or of flags, that comes at once", () => {
    for (const whole of [" ".repeat(1_000_000), `${"🇩🇪".repeat(200_000)}x🇩`]) {
      for (const chunkBy of all)
        assert.equal(joined(chunksOf(chunkBy, [whole])), whole.toWellFormed());
    }
  });
});

function chunksOf(chunkBy: ChunkBy, parts: readonly string[]): Chunk[] {
  const chunker = createChunker(chunkBy);
  return [...parts.flatMap((part) => chunker.push(part, false)), ...chunker.flush()];
}

/** The most that the chunker has taken and not yet given back, UTF-16 units. */
function heldMost(chunkBy: ChunkBy, parts: readonly string[]): number {
  const chunker = createChunker(chunkBy);
  let held = 0;
  let most = 0;
  for (const part of parts) {
    held += part.length;
    for (const chunk of chunker.push(part, false)) held -= chunk.text.length;
    most = Math.max(most, held);
  }
  assert.equal(joined(chunker.flush()).length, held);
  return most;
}

function cutAt(whole: string, cuts: readonly number[]): string[] {
  const places = [0, ...cuts.toSorted((one, other) => one - other), whole.length];
  return places.slice(1).map((end, index) => whole.slice(places[index], end));
}

function units(whole: string): string[] {
  return whole.split("");
}

function graphemes(whole: string): string[] {
  const segments = new Intl.Segmenter("und", { granularity: "grapheme" }).segment(whole);
  return Array.from(segments, ({ segment }) => segment.toWellFormed());
}

function graphemeStarts(whole: string): Set<number> {
  return new Set(boundaries(graphemes(whole).map((grapheme) => ({ text: grapheme }))));
}

/**
 * The places at which chunks end inside a grapheme of the whole text. By the model's parts a mark may be cut off from a
 * space, where these came in two parts.
 */
function cutGraphemes(parts: readonly string[], chunks: readonly Chunk[]): number[] {
  const whole = parts.join("");
  const starts = graphemeStarts(whole);
  const ends = new Set(boundaries(parts.map((part) => ({ text: part }))));
  return boundaries(chunks).filter((at) => {
    const afterSpace = /[^\S\r]$/.test(whole.slice(0, at)) && ends.has(at);
    return !starts.has(at) && !afterSpace;
  });
}

/** Where each chunk ends in the whole text. */
function boundaries(chunks: readonly { text: string }[]): number[] {
  let at = 0;
  return chunks.map((chunk) => (at += chunk.text.length));
}

function merge(parts: readonly Chunk[]): Chunk[] {
  const merged: Chunk[] = [];
  for (const { text: piece, thought } of parts) {
    if (piece === "") continue;
    const last = merged.at(-1);
    if (last?.thought === thought) last.text += piece;
    else merged.push({ text: piece, thought });
  }
  return merged;
}

function wellFormed(whole: string): string {
  return whole.toWellFormed();
}

function texts(chunks: readonly Chunk[]): string[] {
  return chunks.map((chunk) => chunk.text);
}

function joined(chunks: readonly Chunk[]): string {
  return texts(chunks).join("");
}
