import { blocksOf, type SourceBlock } from "./source-blocks.ts";

/** In front of inline code that is maths; private characters, which no reply has. */
export const mathsMarks = {
  inline: "\u{E000}",
  display: "\u{E001}",
  incomplete: "\u{E002}",
} as const;

/**
 * Markdown with its maths (`$…$`, `$$…$$`, `\(…\)`, `\[…\]`) as marked inline code, so that Markdown leaves the
 * underscores and backslashes in it alone. Code keeps its dollars. Money and variables stay what they are: a
 * single dollar opens only before a non-space, and closes only after one, before no letter or digit, and on the
 * same line, as with Pandoc. Maths ends with its paragraph; only what opens on a line of its own may go on over
 * blank lines to an end on a line of its own. Without an end it is text, but in the last paragraph of what is
 * still being written.
 */
export function mathsToCode(markdown: string, isStreaming = false): string {
  if (!/\$|\\[([]/.test(markdown)) return markdown;
  let out = "";
  let at = 0;
  for (const block of blocksOf(markdown)) {
    if (block.kind === "code" || block.end <= at) continue;
    const start = Math.max(at, block.start);
    out += markdown.slice(at, start);
    const spread = spreadAt(markdown, start, block);
    if (spread !== undefined) {
      out += asCode(spread, block.depth);
      at = spread.end;
    } else {
      const isOpen = isStreaming && markdown.length - block.end <= 1;
      out += textToCode(markdown.slice(start, block.end), isOpen, block.depth);
      at = block.end;
    }
  }
  return out + markdown.slice(at);
}

const firstMark = new RegExp(`\`+[${Object.values(mathsMarks).join("")}]`);

/** What comes before the first maths in the result of `mathsToCode`; all of it where there is none. */
export function beforeMaths(source: string): string {
  const at = source.search(firstMark);
  return at === -1 ? source : source.slice(0, at);
}

type Maths = { mark: string; latex: string; end: number };

const { inline, display, incomplete } = mathsMarks;

/** How far the end of a display may be from its beginning, UTF-16 units. */
const spreadMax = 10_000;

const spreadOpening = /(\$\$|\\\[)[ \t]*(?:\n|$)/y;
const spreadClosing = { $$: /^[ \t>]*\$\$[ \t]*$/m, "\\[": /^[ \t>]*\\\][ \t]*$/m } as const;

/** A display over several blocks: its marks stand alone on their lines. */
function spreadAt(text: string, start: number, block: SourceBlock): Maths | undefined {
  spreadOpening.lastIndex = start;
  const [all = "", mark] = spreadOpening.exec(text) ?? [];
  if (mark === undefined || text.slice(start + all.length, block.end).includes(closeOf(mark))) {
    return undefined;
  }
  const begin = start + all.length;
  const rest = text.slice(begin, begin + spreadMax);
  const closing = spreadClosing[mark as keyof typeof spreadClosing].exec(rest);
  if (closing === null) return undefined;
  const latex = `\n${rest.slice(0, closing.index)}`;
  if (/```|~~~/.test(latex)) return undefined;
  return { mark: display, latex, end: begin + closing.index + closing[0].length };
}

function closeOf(mark: string): string {
  return mark === "$$" ? "$$" : "\\]";
}

/** One paragraph; where `isOpen`, maths without an end is marked as incomplete. */
function textToCode(text: string, isOpen: boolean, depth: number): string {
  const findEnd = createEndFinder(text);
  let out = "";
  let at = 0;
  for (const { index } of text.matchAll(/\\[^\n]|`+|\$+/g)) {
    if (index < at) continue;
    out += text.slice(at, index);
    at = index;
    const code = text[at] === "`" ? codeEnd(text, at, findEnd) : undefined;
    if (code !== undefined) {
      out += text.slice(at, code);
      at = code;
      continue;
    }
    const maths = mathsAt(text, at, isOpen, findEnd);
    if (maths === undefined) continue;
    out += asCode(maths, depth);
    at = maths.end;
  }
  return out + text.slice(at);
}

/** Where the mark is next, at or behind a place; the places that are asked for only rise. */
type EndFinder = (mark: string, from: number) => number | undefined;

/** Finds ends in a time that grows with the length alone, however many have none. */
function createEndFinder(text: string): EndFinder {
  // Within code a backslash is nothing special.
  const places = new Map<string, number[]>();
  for (const pattern of [/`+/g, /\\[^\n]|\$+/g]) {
    for (const { 0: mark, index } of text.matchAll(pattern)) {
      const known = places.get(mark);
      if (known === undefined) places.set(mark, [index]);
      else known.push(index);
    }
  }
  for (const each of places.values()) each.reverse();
  return (mark, from) => {
    const left = places.get(mark) ?? [];
    while (left.length > 0 && (left.at(-1) ?? 0) < from) left.pop();
    return left.at(-1);
  };
}

const tickRun = /`+/y;

function codeEnd(text: string, at: number, findEnd: EndFinder): number | undefined {
  tickRun.lastIndex = at;
  const [ticks = ""] = tickRun.exec(text) ?? [];
  const end = findEnd(ticks, at + ticks.length);
  return end === undefined ? undefined : end + ticks.length;
}

const closings: Readonly<Record<string, readonly [close: string, mark: string]>> = {
  $$: ["$$", display],
  "\\[": ["\\]", display],
  "\\(": ["\\)", inline],
};

function mathsAt(text: string, at: number, isOpen: boolean, findEnd: EndFinder): Maths | undefined {
  if (text[at] === "$" && text[at + 1] !== "$") return dollarsAt(text, at);
  const opening = text[at + 2] === "$" && text[at] === "$" ? "" : text.slice(at, at + 2);
  const [close, mark] = closings[opening] ?? [];
  if (close === undefined || mark === undefined) return undefined;
  const begin = at + 2;
  const end = findEnd(close, begin);
  if (end !== undefined) {
    const latex = text.slice(begin, end);
    return latex.trim() === "" ? undefined : { mark, latex, end: end + close.length };
  }
  return isOpen ? { mark: incomplete, latex: text.slice(begin), end: text.length } : undefined;
}

const singleDollars = /\$((?!\s)(?:\\.|[^$\n\\`])+?)(?<!\s)\$(?![\p{L}\p{N}$])/uy;

function dollarsAt(text: string, at: number): Maths | undefined {
  singleDollars.lastIndex = at;
  const [all, latex] = singleDollars.exec(text) ?? [];
  if (all === undefined || latex === undefined) return undefined;
  return { mark: inline, latex, end: at + all.length };
}

/** Blank lines would end the paragraph, and with it the code; within a quote its marks are behind the breaks. */
function asCode({ mark, latex }: Maths, depth: number): string {
  const bare = depth === 0 ? latex : latex.replace(/\n[ \t]*(?:>[ \t]?)+/g, "\n");
  const line = bare.replace(/\s+/g, " ").trim();
  const runs = line.match(/`+/g) ?? [];
  const ticks = "`".repeat(Math.max(0, ...runs.map(({ length }) => length)) + 1);
  return `${ticks}${mark}${line} ${ticks}`;
}
