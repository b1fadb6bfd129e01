/** What a terminal shows of what is written to it, its scrollback included. */
export type TerminalScreen = {
  write(text: string): void;
  /** Everything from the first line on, or the last rows; a line that was too wide is one line. */
  text(lastRows?: number): string;
  resize(columns: number): void;
};

type Row = { cells: string[]; continues: boolean };

/**
 * A terminal for tests: text, newlines, and the control sequences with which readline draws its line. Any other
 * that moves the cursor or clears is an error, since what is written is to be appended only. A resize leaves the rows as
 * they are.
 */
export function createTerminalScreen(columnsAtStart = 80): TerminalScreen {
  let columns = columnsAtStart;
  let pending = "";
  const rows: Row[] = [{ cells: [], continues: false }];
  let y = 0;
  let x = 0;

  function down(continues: boolean): void {
    y += 1;
    x = 0;
    rows[y] ??= { cells: [], continues };
  }

  function put(character: string): void {
    if (x >= columns) down(true);
    const row = rows[y] as Row;
    while (row.cells.length < x) row.cells.push(" ");
    row.cells[x] = character;
    x += 1;
  }

  function clearBelow(): void {
    rows.length = y + 1;
    (rows[y] as Row).cells.length = Math.min(x, (rows[y] as Row).cells.length);
  }

  function control(parameters: string, command: string): void {
    const count = Math.max(1, Number.parseInt(parameters, 10) || 1);
    if (command === "m" || parameters.startsWith("?2004")) return;
    if (command === "A") y = Math.max(0, y - count);
    else if (command === "B") y = Math.min(rows.length - 1, y + count);
    else if (command === "C") x += count;
    else if (command === "D") x = Math.max(0, x - count);
    else if (command === "G") x = count - 1;
    else if (command === "J" && !parameters.startsWith("2")) clearBelow();
    else throw new Error(`CSI ${parameters}${command} is not what is appended`);
  }

  return {
    write(text) {
      pending += text;
      const token = new RegExp(`${"\u001b"}\\[([\\d;?]*)([A-Za-z])|${"\u001b"}|[\\s\\S]`, "uy");
      let at = 0;
      for (let match = token.exec(pending); match; match = token.exec(pending)) {
        const [all, parameters = "", command] = match;
        if (command !== undefined) control(parameters, command);
        else if (all === "\u001b") {
          if (pending.length - match.index < 12) break;
          throw new Error(`ESC ${pending.slice(match.index, match.index + 12)}`);
        } else if (all === "\n") down(false);
        else if (all === "\r") x = 0;
        else if (all === "\b") x = Math.max(0, x - 1);
        else if (all !== "\u0007") put(all);
        at = token.lastIndex;
      }
      pending = pending.slice(at);
    },
    text(lastRows = rows.length) {
      return rows
        .slice(-lastRows)
        .map(
          ({ cells, continues }, index) =>
            `${index > 0 && !continues ? "\n" : ""}${cells.join("")}`,
        )
        .join("");
    },
    resize(to) {
      columns = to;
    },
  };
}
