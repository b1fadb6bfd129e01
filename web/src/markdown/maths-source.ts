/** In front of inline code that is maths; private characters, which no reply has. */
export const mathsMarks = {
  inline: "\u{E000}",
  display: "\u{E001}",
  incomplete: "\u{E002}",
} as const;

/**
 * Markdown with its maths (`$…$`, `$$…$$`, `\(…\)`, `\[…\]`) as marked inline code, so that Markdown leaves the
 * underscores and backslashes in it alone. Code keeps its dollars. Money stays money: a single dollar opens
 * only before a non-space and closes only after one, before no digit, and on the same line.
 */
export function mathsToCode(markdown: string): string {
  if (!/\$|\\[([]/.test(markdown)) return markdown;
  let out = "";
  let at = 0;
  while (at < markdown.length) {
    const code = codeAt(markdown, at);
    const maths = code === undefined ? mathsAt(markdown, at) : undefined;
    if (code !== undefined) {
      out += markdown.slice(at, code);
      at = code;
    } else if (maths !== undefined) {
      out += asCode(maths.mark, maths.latex);
      at = maths.end;
    } else {
      const length = markdown[at] === "\\" ? 2 : 1;
      out += markdown.slice(at, at + length);
      at += length;
    }
  }
  return out;
}

type Maths = { mark: string; latex: string; end: number };

const fence = /(?:^|\n)[ \t>]*(`{3,}|~{3,})[^\n]*/y;

/** Where the code that begins here ends; undefined where none does. */
function codeAt(text: string, at: number): number | undefined {
  if (at === 0 || text[at] === "\n") {
    fence.lastIndex = at;
    const [opening, ticks = ""] = fence.exec(text) ?? [];
    if (opening !== undefined) {
      const close = text.indexOf(`\n${ticks}`, at + opening.length);
      return close === -1 ? text.length : close + 1 + ticks.length;
    }
  }
  if (text[at] !== "`") return undefined;
  const [ticks = ""] = /^`+/.exec(text.slice(at, at + 64)) ?? [];
  const close = text.indexOf(ticks, at + ticks.length);
  return close === -1 ? at + ticks.length : close + ticks.length;
}

function mathsAt(text: string, at: number): Maths | undefined {
  if (text.startsWith("$$", at)) return between(text, at, "$$", "$$", mathsMarks.display);
  if (text.startsWith("\\[", at)) return between(text, at, "\\[", "\\]", mathsMarks.display);
  if (text.startsWith("\\(", at)) return between(text, at, "\\(", "\\)", mathsMarks.inline);
  if (text[at] === "$") return dollars(text, at);
  return undefined;
}

/** Maths whose end has not come yet is marked so: it is shown as its source until it has. */
function between(text: string, at: number, open: string, close: string, mark: string): Maths {
  const begin = at + open.length;
  const end = text.indexOf(close, begin);
  return end === -1
    ? { mark: mathsMarks.incomplete, latex: text.slice(begin), end: text.length }
    : { mark, latex: text.slice(begin, end), end: end + close.length };
}

const singleDollars = /\$((?!\s)(?:\\.|[^$\n\\`])+?)(?<!\s)\$(?!\d)/y;

function dollars(text: string, at: number): Maths | undefined {
  singleDollars.lastIndex = at;
  const [all, latex] = singleDollars.exec(text) ?? [];
  if (all === undefined || latex === undefined) return undefined;
  return { mark: mathsMarks.inline, latex, end: at + all.length };
}

/** Blank lines would end the paragraph, and with it the code. */
function asCode(mark: string, latex: string): string {
  const line = latex.replace(/\s+/g, " ").trim();
  if (line === "") return "";
  const runs = line.match(/`+/g) ?? [];
  const ticks = "`".repeat(Math.max(0, ...runs.map(({ length }) => length)) + 1);
  return `${ticks}${mark}${line} ${ticks}`;
}
