import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseQuery, wordsOf } from "../../../src/store/search-words.ts";

test("words are told without case, accents and what stands between them", () => {
  assert.deepEqual(wordsOf("Don't PANIC — Café_42, naïve!"), [
    "don",
    "t",
    "panic",
    "cafe",
    "42",
    "naive",
  ]);
  assert.deepEqual(wordsOf("ﬁne Ⅷ"), ["fine", "viii"]);
  assert.deepEqual(wordsOf("Straße STRASSE Straẞe İI σς"), [
    "strasse",
    "strasse",
    "strasse",
    "ii",
    "σσ",
  ]);
  assert.deepEqual(wordsOf(" \u0000\n*?"), []);
});

test("in scripts that do not part words each letter is one", () => {
  assert.deepEqual(wordsOf("abc中文def"), ["abc", "中", "文", "def"]);
});

test("letters past what counts are cut in the text and in the query alike", () => {
  const [word] = wordsOf("x".repeat(1_000));
  assert.equal(word?.length, 64);
  assert.deepEqual(parseQuery("x".repeat(900)), [{ word, isPrefix: true }]);
});

test("the last word of a query is the one that may be a beginning", () => {
  assert.deepEqual(parseQuery("the cat the"), [
    { word: "the", isPrefix: false },
    { word: "cat", isPrefix: false },
    { word: "the", isPrefix: true },
  ]);
  assert.deepEqual(parseQuery("..."), []);
  assert.equal(parseQuery(Array.from({ length: 99 }, (_item, i) => `w${i}`).join(" ")).length, 16);
});

test("whatever the text, its words hold nothing that a search index takes for an operator", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      for (const word of wordsOf(text)) {
        assert.match(word, /^[\p{L}\p{N}\p{M}]+$/u);
        assert.equal(Buffer.from(word).toString(), word);
        assert.deepEqual(wordsOf(word), [word]);
      }
    }),
  );
});
