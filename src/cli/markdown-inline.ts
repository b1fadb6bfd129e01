import type { Format, Paint } from "./paint.ts";

/** How far a closing marker is looked for, UTF-16 units: for no longer is text held back. */
const spanMax = 1_000;

const markerFormats: Readonly<Record<string, readonly Format[]>> = {
  "*": ["italic"],
  _: ["italic"],
  "**": ["bold"],
  __: ["bold"],
  "***": ["bold", "italic"],
  ___: ["bold", "italic"],
  "~~": ["strikethrough"],
};

/** A piece of a line at its beginning, painted; `wait` where what follows decides what it is. */
type Piece = { painted: string; length: number } | "wait";

/** What has been painted of a line: the rest waits for more of the line. */
export type Inline = { painted: string; length: number };

/**
 * Paints what can be of a line's text. Every character stays, markers included, so that a copy is the source:
 * a span is painted once its end is there, and is left as it is when the line ends without it.
 *
 * @param before the character before `text` in its line; empty at its beginning
 * @param whole whether the line ends behind `text`
 */
export function paintInline(
  paint: Paint,
  base: readonly Format[],
  text: string,
  { before, whole }: { before: string; whole: boolean },
): Inline {
  let painted = "";
  let plainFrom = 0;
  let at = 0;
  while (at < text.length) {
    const special = nextSpecial(text, at);
    if (special === text.length) {
      at = special;
      break;
    }
    const previous = special === 0 ? before : (text[special - 1] ?? "");
    const near = text.slice(special, special + spanMax);
    const last = special + near.length === text.length;
    const piece = pieceAt(paint, base, near, previous, whole && last);
    if (piece === "wait" && near.length === spanMax) {
      at = special + (/^(.)\1*/.exec(near)?.[0].length ?? 1);
      continue;
    }
    if (piece === "wait") {
      painted += paint(base, text.slice(plainFrom, special));
      return { painted, length: special };
    }
    if (piece.painted !== "") {
      painted += paint(base, text.slice(plainFrom, special)) + piece.painted;
      plainFrom = special + piece.length;
    }
    at = special + piece.length;
  }
  return { painted: painted + paint(base, text.slice(plainFrom)), length: text.length };
}

function nextSpecial(text: string, from: number): number {
  const index = text.slice(from).search(/[\\`*_~[]/);
  return index === -1 ? text.length : from + index;
}

/** The piece that a special character begins; without `painted` it is text like any other. */
function pieceAt(
  paint: Paint,
  base: readonly Format[],
  text: string,
  previous: string,
  whole: boolean,
): Piece {
  const [first = ""] = text;
  if (first === "\\") return text.length > 1 || whole ? plain(2) : "wait";
  if (first === "[") return link(paint, base, text, whole);
  const [run = ""] = /^(.)\1*/.exec(text) ?? [];
  if (run.length === text.length) return whole ? plain(run.length) : "wait";
  const close =
    first === "`" ? closingTicks(text, run, whole) : closingMarker(text, run, previous, whole);
  if (close === "none") return plain(run.length);
  if (close === "unknown") return whole ? plain(run.length) : "wait";
  const inner = text.slice(run.length, close);
  const mark = paint([...base, "dim"], run);
  const formats = [...base, ...(markerFormats[run] ?? [])];
  const content =
    first === "`"
      ? paint([...base, "cyan"], inner)
      : paintInline(paint, formats, inner, { before: run, whole: true }).painted;
  return { painted: mark + content + mark, length: close + run.length };
}

const plain = (length: number): Piece => ({ painted: "", length });

/** Where the run of backticks is that closes this one. One at the end may still grow. */
function closingTicks(text: string, run: string, whole: boolean): number | "unknown" {
  for (const match of text.slice(run.length).matchAll(/`+/g)) {
    const at = run.length + match.index;
    const mayGrow = !whole && at + match[0].length === text.length;
    if (match[0].length === run.length) return mayGrow ? "unknown" : at;
  }
  return "unknown";
}

/** Where the marker closes that opens `text`; `none` where it opens nothing (CommonMark's flanking rules). */
function closingMarker(
  text: string,
  run: string,
  previous: string,
  whole: boolean,
): number | "unknown" | "none" {
  const opens = markerFormats[run] !== undefined && /^\S/.test(text.slice(run.length));
  if (!opens || (run.startsWith("_") && isWord(previous))) return "none";
  const marker = run[0] ?? "";
  for (let at = run.length; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === "`") {
      const end = endOfTicks(text, at, whole);
      if (end === "unknown") return "unknown";
      at = end;
    } else if (text[at] === marker) {
      const length = /^(.)\1*/.exec(text.slice(at))?.[0].length ?? 1;
      const next = text[at + length];
      if (next === undefined && !whole) return "unknown";
      const closes = length === run.length && /\S/.test(text[at - 1] ?? "");
      if (closes && !(marker === "_" && isWord(next ?? ""))) return at;
      at += length - 1;
    }
  }
  return "unknown";
}

/** The last character of the code span that begins at `at`, or of its run of backticks where none does. */
function endOfTicks(text: string, at: number, whole: boolean): number | "unknown" {
  const run = /^`+/.exec(text.slice(at))?.[0] ?? "`";
  const close = closingTicks(text.slice(at), run, whole);
  if (close !== "unknown") return at + close + run.length - 1;
  return whole ? at + run.length - 1 : "unknown";
}

const isWord = (character: string) => /[\p{L}\p{N}]/u.test(character);

function link(paint: Paint, base: readonly Format[], text: string, whole: boolean): Piece {
  const match = /^\[([^[\]]+)\](\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s+"[^"]*")?\))/.exec(text);
  if (match) {
    const [all, label = "", target = ""] = match;
    const painted =
      paint([...base, "dim"], "[") +
      paint([...base, "underline"], label) +
      paint([...base, "dim"], `]${target}`);
    return { painted, length: all.length };
  }
  const mayCome = /^\[[^[\]]*(?:\](?:\([^\s]*(?:\s+"[^"]*"?)?)?)?$/.test(text);
  return mayCome && !whole ? "wait" : plain(1);
}
