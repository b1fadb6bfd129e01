import type { ChunkBy } from "./turn.ts";

/** A piece of reply text as it will be recorded. */
export type Chunk = { text: string; thought: boolean };

/**
 * Cuts what a model emits into the chunks that are recorded. The chunks of a kind, joined, are the model's
 * text byte for byte (DESIGN section 2, rule 14); half a grapheme waits for its rest.
 */
export interface Chunker {
  /** Takes the model's next text; returns the chunks that are complete. */
  push(text: string, thought: boolean): Chunk[];
  /** How much of what was pushed waits, UTF-16 units. */
  held(): number;
  /** What waits is whole as far as is known, and waits only for a mark that might follow: see `release`. */
  mayRelease(): boolean;
  /** Returns what `mayRelease` says, once it has waited long enough. */
  release(): Chunk[];
  /** Returns what still waits. To be called once, when the model has ended. */
  flush(): Chunk[];
}

/**
 * A word or a grapheme is cut when it grows past this many UTF-16 units, so that nothing waits for ever. A part of
 * the model that only might go on waits whole, however long it is: not for long.
 */
const heldUnitsMax = 256;

export function createChunker(chunkBy: ChunkBy): Chunker {
  const { cut, finish } = cutters[chunkBy];
  let held: Held = nothing;
  let heldThought = false;

  const toChunks = (pieces: readonly string[], thought: boolean): Chunk[] =>
    pieces.filter(notEmpty).map((text) => ({ text: text.toWellFormed(), thought }));

  const flush = (): Chunk[] => {
    const { text } = held;
    held = nothing;
    return toChunks(finish(text), heldThought);
  };

  return {
    push(text, thought) {
      const before = thought === heldThought ? [] : flush();
      heldThought = thought;
      const { pieces, rest } = cut(held, text);
      held = rest;
      const chunks = toChunks(pieces, thought);
      return before.length === 0 ? chunks : [...before, ...chunks];
    },
    held: () => held.text.length,
    mayRelease: () => held.mayRelease,
    release: () => (held.mayRelease ? flush() : []),
    flush,
  };
}

/** What waits. It begins where a grapheme does. */
type Held = { text: string; mayRelease: boolean };

const nothing: Held = { text: "", mayRelease: false };

type Cut = { pieces: string[]; rest: Held };

type Cutter = {
  /** Cuts what waited and what has come into pieces, some of them empty, and what is to wait. */
  cut: (held: Held, text: string) => Cut;
  /** The pieces of what waits when nothing more comes. */
  finish: (text: string) => string[];
};

const cutters: Record<ChunkBy, Cutter> = {
  model: { cut: cutPart, finish: (text) => [text] },

  word: holdLast((text) => {
    const pieces: string[] = [];
    let from = 0;
    for (const { index } of text.matchAll(afterSpace)) {
      if (!beginsGrapheme(text, index)) continue;
      pieces.push(...splitUnspaced(text.slice(from, index)));
      from = index;
    }
    return [...pieces, ...splitUnspaced(text.slice(from))].flatMap(splitLong);
  }),

  character: holdLast((text) => {
    const pieces = splitGraphemes(text);
    // Nothing may be held for ever: what comes of it later is a piece of its own.
    return (pieces.at(-1)?.length ?? 0) > heldUnitsMax ? [...pieces, ""] : pieces;
  }),
};

/** By pieces of which the last one may still grow. */
function holdLast(split: (text: string) => string[]): Cutter {
  const cut = (held: Held, text: string): Cut => {
    const whole = held.text + text;
    const end = endsInHalfCharacter(whole) ? whole.length - 1 : whole.length;
    const pieces = split(whole.slice(0, end));
    const rest = (pieces.pop() ?? "") + whole.slice(end);
    return { pieces, rest: { text: rest, mayRelease: false } };
  };
  return { cut, finish: split };
}

/**
 * A part stays as the model gave it, unless a grapheme goes on in the next one. Any character may be followed by
 * marks that belong to it: one whose rest is likely waits for it, any other part waits for a moment, whole. After
 * whitespace nothing waits, as models give words with the space behind them: a mark that comes apart from its space
 * stands on its own.
 */
function cutPart(held: Held, text: string): Cut {
  const whole = held.text + text;
  const half = endsInHalfCharacter(whole) ? 1 : 0;
  const end = whole.length - half;
  const isApart = held.mayRelease && text.length > half && isBoundary(whole, held.text.length);
  const seam = isApart ? held.text.length : 0;
  const cutAt = (to: number, mayRelease = false): Cut => ({
    pieces: [whole.slice(0, seam), whole.slice(seam, to)],
    rest: { text: whole.slice(to), mayRelease },
  });
  if (whole === "" || endsInSpace.test(whole)) return cutAt(whole.length);
  const start = lastGraphemeStart(whole, end);
  if (end - start > heldUnitsMax) return cutAt(end);
  const isLikely = half > 0 || awaitsRest.test(whole.slice(start, end));
  return isLikely ? cutAt(start) : cutAt(seam, true);
}

function splitGraphemes(text: string): string[] {
  // Ten times faster than the segmenter, and most of most replies.
  if (plainText.test(text)) return text.split("");
  return Array.from(graphemes.segment(text), ({ segment }) => segment);
}

/** ASCII without the carriage return: each unit is a grapheme. */
const plainText = /^[\t\n\x20-\x7e]*$/;

/**
 * Where a word may begin, so that the space behind the one before is whole. Both sides of the cut are there then,
 * and what comes later moves it no more: the words are the same however the model cuts its text.
 */
const afterSpace = /(?<=\s)\S/gu;

const graphemes = new Intl.Segmenter("und", { granularity: "grapheme" });
const words = new Intl.Segmenter("und", { granularity: "word" });

/** Scripts that put no spaces between words; there a dictionary finds them. */
const unspacedScript =
  /\p{scx=Han}|\p{scx=Hira}|\p{scx=Kana}|\p{scx=Thai}|\p{scx=Laoo}|\p{scx=Khmr}|\p{scx=Mymr}/u;

/**
 * Splits text without spaces into words, punctuation and spaces staying with the word before. A word may begin
 * with a mark that belongs to the character before it; it is no word of its own then. The dictionary sees what
 * has come: to wait for the sentence would hold the reply back, so here the words may depend on the model's cuts.
 */
function splitUnspaced(text: string): string[] {
  if (!unspacedScript.test(text)) return [text];
  const starts = new Set(Array.from(graphemes.segment(text), ({ index }) => index));
  const found: string[] = [];
  for (const { segment, index, isWordLike } of words.segment(text)) {
    const previous = found.at(-1);
    const begins = isWordLike === true && starts.has(index);
    if (begins || previous === undefined) found.push(segment);
    else found[found.length - 1] = previous + segment;
  }
  return found;
}

/** Whether the character there is none that belongs to the space before it, as a mark may. */
function beginsGrapheme(text: string, index: number): boolean {
  if (text.charCodeAt(index) < firstMark) return true;
  return graphemes.segment(text.slice(index - 1, index + 2)).containing(0)?.segment.length === 1;
}

/** Cuts a piece that is longer than what may be held, where the same piece would be cut as it grows. */
function splitLong(piece: string): string[] {
  const pieces: string[] = [];
  let rest = piece;
  while (rest.length > heldUnitsMax) {
    const to = lastGraphemeEnd(rest);
    pieces.push(rest.slice(0, to));
    rest = rest.slice(to);
  }
  return [...pieces, rest];
}

/** The end of the last grapheme that ends within what may be held; of the last character where none does. */
function lastGraphemeEnd(text: string): number {
  const within = text.slice(0, heldUnitsMax + 2);
  const end = graphemes.segment(within).containing(heldUnitsMax)?.index ?? 0;
  if (end > 0) return end;
  return endsInHalfCharacter(text.slice(0, heldUnitsMax)) ? heldUnitsMax - 1 : heldUnitsMax;
}

/** Below it no character extends the one before it, but a line feed a carriage return. */
const firstMark = 0x300;
const carriageReturn = 0x0d;

/** Not a carriage return: a line feed behind it is the same grapheme. */
const endsInSpace = /[^\S\r]$/;

/** Scripts whose consonants mostly have a vowel sign, or another mark, behind them. */
const syllabicScripts =
  "Beng Deva Gujr Guru Khmr Knda Laoo Mlym Mymr Orya Sinh Taml Telu Thai Tibt".split(" ");

/**
 * A grapheme that is likely to go on: what has marks may have more, an emoji a skin tone or another emoji, a flag its
 * other half, a carriage return its line feed, a consonant its vowel, and a jamo the rest of its syllable.
 */
const awaitsRest = new RegExp(
  String.raw`[\p{M}\p{Extended_Pictographic}\p{RI}\u200d\r\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff` +
    `${syllabicScripts.map((script) => String.raw`\p{sc=${script}}`).join("")}]`,
  "u",
);

/** Whether a grapheme begins there. */
function isBoundary(text: string, at: number): boolean {
  return isPlainBoundary(text, at) || graphemes.segment(text).containing(at)?.index === at;
}

/** Where the last grapheme of the text's first `end` units begins. */
function lastGraphemeStart(text: string, end: number): number {
  const last = end - 1;
  if (isPlainBoundary(text, last)) return last;
  return graphemes.segment(text.slice(0, end)).containing(last)?.index ?? 0;
}

/** Whether no segmenter is needed to see that a grapheme begins there: most are of one unit. */
function isPlainBoundary(text: string, at: number): boolean {
  const before = text.charCodeAt(at - 1);
  return before < firstMark && before !== carriageReturn && text.charCodeAt(at) < firstMark;
}

/** The text ends in a high surrogate: what follows may even belong to the character before it. */
function endsInHalfCharacter(text: string): boolean {
  return (text.charCodeAt(text.length - 1) & 0xfc00) === 0xd800;
}

function notEmpty(text: string): boolean {
  return text !== "";
}
