import { paintInline } from "./markdown-inline.ts";
import { isDelimiter, paintTable } from "./markdown-table.ts";
import type { Format, Paint } from "./paint.ts";

/** A table that is longer is shown as it comes, UTF-16 units. */
const tableMax = 32 * 1024;

/** A line's beginning is looked at for so long to know its kind, UTF-16 units. */
const decideMax = 80;

/** The beginning of a line that may still become anything: a list, a rule, a fence, emphasis. */
const undecided = /^\s*(?:#{0,6}|[-*_+ \t]*|\d{0,9}[.)]?|`+|~+)$/;

/** The line that begins a block of code; its info string is part of it. */
const opening = /^\s*(?:(`{3,})[^`\n]*|(~{3,})[^\n]*)$/;
const openingMax = 200;

/** Paints Markdown as it streams. What it returns can only be appended to what it returned before. */
export type MarkdownPainter = {
  /** Takes a piece of the text, and returns what can be shown for good. */
  push(text: string): string;
  /** Returns what was held back, for a remark that ends the line: the block goes on behind that. */
  flush(): string;
  /** The same, and the text ends: what comes next begins a new one. */
  end(): string;
};

type Fence = { marker: string; length: number };

/**
 * A painter for one reply after the other. Every character of the source stays and none is shown twice: what
 * changes its look by what follows (a span, a table, a line whose kind is open) is held back until that has
 * come, and everything else is shown at once, code above all. Only tables get spaces, to align their columns.
 */
export function createMarkdownPainter(paint: Paint, columns: () => number): MarkdownPainter {
  let held = "";
  let table: string[] = [];
  let tableLength = 0;
  let tableIsOver = false;
  let fence: Fence | undefined;
  /** How the rest of the line is painted: `start` where that is open. */
  let line: "start" | "inline" | "code" | "literal" = "start";
  let base: readonly Format[] = [];
  let before = "";

  /** Takes `length` characters of what is held. */
  function take(length: number): string {
    const text = held.slice(0, length);
    held = held.slice(length);
    before = text.at(-1) ?? before;
    return text;
  }

  function takeTable(): string {
    const lines = paintTable(paint, table, columns());
    table = [];
    tableLength = 0;
    return lines.map((each) => `${each}\n`).join("");
  }

  /** One step: what it shows, or undefined where more must come. */
  function step(): string | undefined {
    if (held === "") return undefined;
    const end = held.indexOf("\n");
    if (line === "start") return startLine(end);
    const length = end === -1 ? held.length : end;
    let shown = "";
    if (line === "inline") {
      const inline = paintInline(paint, base, held.slice(0, length), { before, whole: end !== -1 });
      shown = inline.painted;
      take(inline.length);
      if (inline.length < length) return shown === "" ? undefined : shown;
    } else {
      const text = take(length);
      shown = line === "code" ? paint("cyan", text) : text;
    }
    if (end === -1) return shown;
    line = "start";
    return shown + take(1);
  }

  function startLine(end: number): string | undefined {
    const whole = end !== -1;
    const text = whole ? held.slice(0, end) : held;
    if (fence !== undefined) return startCode(fence, text, whole);
    if (text.trim() === "" && !whole && text.length <= decideMax) return undefined;
    if (!/^\s*\|/.test(text)) {
      tableIsOver = false;
      if (table.length > 0) return takeTable();
    } else if (!tableIsOver) {
      if (tableLength + text.length > tableMax) return endTable();
      return whole ? takeRow(text) : undefined;
    }
    const open = text.length <= decideMax && undecided.test(text);
    const mayOpen = text.length <= openingMax && opening.test(text);
    return !whole && (open || mayOpen) ? undefined : startBlock(text, whole);
  }

  function takeRow(text: string): string {
    table.push(text);
    tableLength += text.length;
    take(text.length + 1);
    return table.length === 2 && !isDelimiter(text) ? endTable() : "";
  }

  /** Shows the rows so far; those that follow are shown as they come. */
  function endTable(): string {
    tableIsOver = true;
    return takeTable();
  }

  function startCode({ marker, length }: Fence, text: string, whole: boolean): string | undefined {
    const [, run = ""] = /^\s*([`~]*)\s*$/.exec(text) ?? [];
    const mayClose = text.length <= decideMax && /^\s*(?:`*|~*)\s*$/.test(text);
    if (mayClose && !whole) return undefined;
    if (mayClose && run.startsWith(marker) && run.length >= length) {
      fence = undefined;
      return paint("dim", take(text.length)) + take(1);
    }
    line = "code";
    return "";
  }

  function startBlock(text: string, whole: boolean): string {
    line = "inline";
    base = [];
    before = "";
    const [, ticks, tildes = ticks] = (text.length <= openingMax && opening.exec(text)) || [];
    if (whole && tildes !== undefined) {
      fence = { marker: tildes[0] ?? "`", length: tildes.length };
      line = "start";
      return paint("dim", take(text.length)) + take(1);
    }
    const isRule =
      whole && text.length <= decideMax && /^\s*([-*_])(?:[ \t]*\1){2,}\s*$/.test(text);
    if (isRule) return paint("dim", take(text.length));
    const start = text.slice(0, decideMax);
    if (/^\s*#{1,6}(?:\s|$)/.test(start)) base = ["bold"];
    const [marker = ""] = /^\s*(?:[-*+]|\d{1,9}[.)])(?=\s)|^\s*>/.exec(start) ?? [];
    return paint(marker.endsWith(">") ? "dim" : "cyan", take(marker.length));
  }

  function push(text: string): string {
    held += text;
    let shown = "";
    for (let more = step(); more !== undefined; more = step()) shown += more;
    return shown;
  }

  function flush(): string {
    const isOpen = held !== "" || line !== "start";
    // As at the end of the line, which the caller is to write.
    const shown = (held === "" ? "" : push("\n").replace(/\n$/, "")) + takeTable();
    before = "";
    if (isOpen) line = fence === undefined ? "literal" : "code";
    return shown;
  }

  return {
    push,
    flush,
    end() {
      const shown = flush();
      fence = undefined;
      tableIsOver = false;
      line = "start";
      return shown;
    },
  };
}
