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
  /** Returns what still waits. To be called once, when the model has ended. */
  flush(): Chunk[];
}

/** What waits for its rest is cut when it grows past this many UTF-16 units, so that nothing is held for ever. */
const heldUnitsMax = 256;

export function createChunker(chunkBy: ChunkBy): Chunker {
  const split = splitters[chunkBy];
  let held = "";
  let heldThought = false;

  const toChunks = (pieces: readonly string[], thought: boolean): Chunk[] =>
    pieces.filter(notEmpty).map((text) => ({ text: text.toWellFormed(), thought }));

  const flush = (): Chunk[] => {
    const rest = held;
    held = "";
    return toChunks(split(rest), heldThought);
  };

  return {
    push(text, thought) {
      const before = thought === heldThought ? [] : flush();
      heldThought = thought;
      const whole = held + text;
      const end = endsInHalfCharacter(whole) ? whole.length - 1 : whole.length;
      const pieces = split(whole.slice(0, end));
      let rest = pieces.pop() ?? "";
      if (rest.length > heldUnitsMax) {
        const cut = completeLength(rest);
        pieces.push(rest.slice(0, cut));
        rest = rest.slice(cut);
      }
      held = rest + whole.slice(end);
      const chunks = toChunks(pieces, thought);
      return before.length === 0 ? chunks : [...before, ...chunks];
    },
    flush,
  };
}

/** Cuts a text into pieces; the last one may still grow, and is empty where none can. */
type Splitter = (text: string) => string[];

const splitters: Record<ChunkBy, Splitter> = {
  model: (text) => {
    const end = completeLength(text);
    return [text.slice(0, end), text.slice(end)];
  },

  word: (text) => {
    const pieces: string[] = [];
    let from = 0;
    for (const { index } of text.matchAll(afterSpace)) {
      if (!beginsGrapheme(text, index)) continue;
      pieces.push(...splitUnspaced(text.slice(from, index)));
      from = index;
    }
    const end = Math.max(from, completeLength(text));
    const tail = splitUnspaced(text.slice(from, end));
    const last = tail.pop() ?? "";
    return [...pieces, ...tail, last + text.slice(end)].flatMap(splitLong);
  },

  character: (text) =>
    // Ten times faster than the segmenter, and most of most replies.
    plainText.test(text)
      ? text.split("")
      : Array.from(graphemes.segment(text), ({ segment }) => segment),
};

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

const firstMark = 0x300;
const carriageReturn = 0x0d;
const zeroWidthJoiner = 0x200d;

/** The text ends in a high surrogate: what follows may even belong to the character before it. */
function endsInHalfCharacter(text: string): boolean {
  return (text.charCodeAt(text.length - 1) & 0xfc00) === 0xd800;
}

/**
 * How much of the text can go out without cutting a grapheme whose rest must still come: not a zero-width
 * joiner with what it joins, the first half of a flag, or a carriage return at its end. Marks that may or
 * may not follow a complete character are not waited for.
 */
function completeLength(text: string): number {
  const last = text.charCodeAt(text.length - 1);
  if (last === carriageReturn) return text.length - 1;
  if (last === zeroWidthJoiner) return lastGraphemeStart(text);
  return endsInHalfFlag(text) ? text.length - 2 : text.length;
}

/** Where the last grapheme starts; the text's length when it is longer than what may be held. */
function lastGraphemeStart(text: string): number {
  const from = Math.max(0, text.length - heldUnitsMax);
  let start = 0;
  for (const { index } of graphemes.segment(text.slice(from))) start = index;
  return start === 0 && from > 0 ? text.length : from + start;
}

/** A flag is two regional indicators, each a surrogate pair; an odd one at the end lacks its other half. */
function endsInHalfFlag(text: string): boolean {
  let start = text.length;
  while (isRegionalIndicator(text, start - 2)) start -= 2;
  return ((text.length - start) / 2) % 2 === 1;
}

function isRegionalIndicator(text: string, at: number): boolean {
  const low = text.charCodeAt(at + 1);
  return text.charCodeAt(at) === 0xd83c && low >= 0xdde6 && low <= 0xddff;
}

function notEmpty(text: string): boolean {
  return text !== "";
}
