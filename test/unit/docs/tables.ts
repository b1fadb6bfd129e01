import { readFileSync } from "node:fs";

/** The text of a file of the repository. */
export function readRepositoryFile(path: string): string {
  return readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
}

/** The rows of all tables of a Markdown text whose first cell is code, cell by cell, the backquotes taken off. */
export function codeRows(markdown: string): [string, ...string[]][] {
  return markdown
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.slice(1, -1).split("|"))
    .map(([first = "", ...others]) => [
      first.trim().slice(1, -1),
      ...others.map((cell) => cell.trim()),
    ]);
}
