/** A part of Markdown source: a paragraph, heading or row of a table (`text`), or a whole block of code. */
export type SourceBlock = {
  readonly kind: "text" | "code";
  /** Where its text begins, behind the marks of the lists and quotes around it; UTF-16 units. */
  readonly start: number;
  /** Where its last line ends, without the line break. */
  readonly end: number;
  /** In how many quotes and list items it is; what is deeper than `depthMax` counts as `depthMax`. */
  readonly depth: number;
};

/** Deeper levels are not told apart. */
export const depthMax = 50;

/** A quote, or a list item by the column at which its content begins. */
type Container = "quote" | number;

/** A place in a line: behind blanks, at a column; `base` is the column where the content begins. */
type Place = { at: number; column: number; base: number };

type OpenBlock = { kind: "text" | "code"; start: number; end: number; depth: number };

type Fence = { ticks: string; depth: number };

/**
 * Cuts Markdown into its blocks by the rules of CommonMark 0.31 (quotes, list items, fences, indented code, lazy
 * lines), in a time that grows with the length alone. HTML blocks count as text, which is what they are here.
 */
export function* blocksOf(markdown: string): Generator<SourceBlock> {
  let containers: Container[] = [];
  let fence: Fence | undefined;
  let open: OpenBlock | undefined;
  for (let start = 0; start < markdown.length; ) {
    const newline = markdown.indexOf("\n", start);
    const end = newline === -1 ? markdown.length : newline;
    const line = readLine(markdown, start, end, containers);
    start = end + 1;
    const { place, matched, isBlank } = line;
    if (fence !== undefined && open !== undefined && matched >= fence.depth) {
      open.end = end;
      if (closesFence(markdown, place, end, fence)) {
        yield open;
        open = fence = undefined;
      }
      continue;
    }
    fence = undefined;
    const isParagraph = open?.kind === "text";
    const kept = containers.slice(0, matched);
    const inner = isBlank ? kept : openContainers(markdown, place, end, kept, isParagraph);
    const isNew = inner.length > matched;
    const ticks = isBlank ? undefined : fenceAt(markdown, place, end);
    const isAlone = /^(?:#{1,6}(?:[ \t]|$)|\|)/.test(markdown.slice(place.at, place.at + 8));
    if (isParagraph && open && !isBlank && !isNew && ticks === undefined && !isAlone) {
      // It goes on, also where its marks of quotes and items are left out.
      open.end = end;
      continue;
    }
    const isIndented = !isBlank && place.column - place.base >= 4;
    if (open?.kind === "code" && isIndented && inner.length === open.depth) {
      open.end = end;
      continue;
    }
    if (open !== undefined) yield open;
    open = undefined;
    containers = inner;
    if (isBlank) continue;
    const kind = ticks !== undefined || isIndented ? "code" : "text";
    open = { kind, start: place.at, end, depth: containers.length };
    if (ticks !== undefined) fence = { ticks, depth: containers.length };
    if (isAlone && kind === "text") {
      yield open;
      open = undefined;
    }
  }
  if (open !== undefined) yield open;
}

/** Goes into a line as far as the containers that are open reach. */
function readLine(text: string, start: number, end: number, containers: readonly Container[]) {
  const place: Place = { at: start, column: 0, base: 0 };
  skipBlanks(text, place, end);
  let matched = 0;
  for (const container of containers) {
    if (container === "quote") {
      if (!entersQuote(text, place, end)) break;
    } else if (place.at < end && place.column < container) break;
    else place.base = container;
    matched += 1;
  }
  return { place, matched, isBlank: place.at >= end };
}

function skipBlanks(text: string, place: Place, end: number): void {
  for (; place.at < end; place.at += 1) {
    const character = text[place.at];
    if (character === "\t") place.column += 4 - (place.column % 4);
    else if (character === " " || character === "\r") place.column += 1;
    else return;
  }
}

function entersQuote(text: string, place: Place, end: number): boolean {
  if (place.at >= end || text[place.at] !== ">" || place.column - place.base > 3) return false;
  place.at += 1;
  place.column += 1;
  const isSpaced = /[ \t]/.test(text[place.at] ?? "");
  place.base = place.column + (isSpaced ? 1 : 0);
  skipBlanks(text, place, end);
  return true;
}

const marker = /(?:[-+*]|\d{1,9}[.)])(?=[ \t\r\n]|$)|\[\^[^\]\s]{1,99}\]:/y;
const rule = /([-*_])[ \t]*(?:\1[ \t]*){2,}(?:[\r\n]|$)/y;

/** The containers with those that begin in the rest of the line. */
function openContainers(
  text: string,
  place: Place,
  end: number,
  kept: readonly Container[],
  isParagraph: boolean,
): Container[] {
  const containers = [...kept];
  while (containers.length < depthMax && place.at < end && place.column - place.base <= 3) {
    if (entersQuote(text, place, end)) {
      containers.push("quote");
      continue;
    }
    rule.lastIndex = marker.lastIndex = place.at;
    if (rule.test(text)) break;
    const [found] = marker.exec(text) ?? [];
    if (found === undefined) break;
    const isEmpty = text.slice(place.at + found.length, end).trim() === "";
    // What is not a first item, or is empty, is no list in the middle of a paragraph.
    const isFirst = /^(?:[-+*]|1[.)]|\[)/.test(found);
    const isInList = typeof kept.at(-1) === "number" || containers.length > kept.length;
    if (isParagraph && !isInList && (isEmpty || !isFirst)) break;
    place.at += found.length;
    place.column += found.length;
    const behind = place.column;
    skipBlanks(text, place, end);
    const blanks = place.column - behind;
    const content = behind + (blanks >= 1 && blanks <= 4 ? blanks : 1);
    place.base = found.startsWith("[") ? place.column : content;
    containers.push(found.startsWith("[") ? 4 : content);
  }
  return containers;
}

const fenceOpening = /(?:(`{3,})[^`\n]*|(~{3,})[^\n]*)(?:\n|$)/y;

/** The ticks or tildes that open a block of code here. */
function fenceAt(text: string, { at, column, base }: Place, end: number): string | undefined {
  if (column - base > 3 || at >= end) return undefined;
  fenceOpening.lastIndex = at;
  const [, ticks, tildes] = fenceOpening.exec(text) ?? [];
  return ticks ?? tildes;
}

function closesFence(text: string, { at, column, base }: Place, end: number, { ticks }: Fence) {
  if (column - base > 3 || !text.startsWith(ticks, at)) return false;
  return (
    text
      .slice(at, end)
      .replaceAll(ticks[0] ?? "", "")
      .trim() === ""
  );
}
