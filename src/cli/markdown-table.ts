import type { Paint } from "./paint.ts";

/**
 * A table's lines, the cells of a column as wide as each other, so that it can be read; it stays Markdown.
 * Lines that are no table are returned as they are, as is a table that would be wider than the terminal, or
 * with characters whose width is not one column.
 *
 * @param columns the width of the terminal, in columns
 */
export function paintTable(paint: Paint, lines: readonly string[], columns: number): string[] {
  const rows = lines.map(cellsOf);
  if (!isDelimiter(lines[1] ?? "")) return [...lines];
  const widths = widthsOf(rows);
  const width = widths.reduce((sum, each) => sum + each + 3, 1);
  if (width > columns || !lines.every(isNarrow)) return [...lines];
  return rows.map((cells, row) => {
    const shown = widths.map((each, column) => {
      const cell = cells[column] ?? "";
      if (row === 1) return stretch(cell, each);
      return alignsRight(rows[1]?.[column]) ? cell.padStart(each) : cell.padEnd(each);
    });
    if (row === 1) return paint("dim", `| ${shown.join(" | ")} |`);
    const bar = paint("dim", "|");
    const texts = shown.map((cell) => ` ${row === 0 ? paint("bold", cell) : cell} `);
    return `${bar}${texts.join(bar)}${bar}`;
  });
}

/** Whether the line is a table's second one, which makes it a table: | --- | :-: |. */
export function isDelimiter(line: string): boolean {
  return line.trim() !== "" && cellsOf(line).every((cell) => /^:?-+:?$/.test(cell));
}

function cellsOf(line: string): string[] {
  const inner = line
    .trim()
    .replace(/^\|/, "")
    .replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim());
}

function widthsOf(rows: readonly (readonly string[])[]): number[] {
  const count = Math.max(...rows.map((cells) => cells.length));
  return Array.from({ length: count }, (_, column) =>
    Math.max(3, ...rows.map((cells, row) => (row === 1 ? 3 : (cells[column]?.length ?? 0)))),
  );
}

const alignsRight = (cell = "") => cell.endsWith(":") && !cell.startsWith(":");

/** `:--` as wide as its column. */
function stretch(cell: string, width: number): string {
  const [left, right] = [cell.startsWith(":") ? ":" : "", cell.endsWith(":") ? ":" : ""];
  return `${left}${"-".repeat(width - left.length - right.length)}${right}`;
}

/** Whether every character takes one column: what is before the scripts that take two, marks left out. */
function isNarrow(line: string): boolean {
  return /^[ -\u10ff]*$/.test(line) && !/\p{M}/u.test(line);
}
