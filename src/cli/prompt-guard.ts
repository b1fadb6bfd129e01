import type { Interface } from "node:readline/promises";
import { Writable } from "node:stream";
import type { Output } from "./screen.ts";

/** Keeps what is written from running into the line that a person edits. */
export type PromptGuard = {
  /**
   * The same terminal, above the prompt: while a person types, whole lines are shown there, and the last one
   * waits until it is whole or the person is done. An output that is no terminal is returned as it is.
   */
  above(output: Output): Output;
  /** The prompt is about to be drawn: a line that is not whole ends, so that it is not drawn over. */
  beforePrompt(): void;
  /** The prompt has gone: what waits is shown. */
  flush(): void;
};

/** Guards the prompt of `reader` on the terminal `output`. */
export function createPromptGuard(
  reader: Pick<Interface, "getCursorPos" | "prompt">,
  output: Output,
  prompting: () => boolean,
): PromptGuard {
  const flushes: (() => void)[] = [];
  let lineOpen = false;

  function pass(stream: Output, text: string, done?: () => void): void {
    if (text !== "") lineOpen = !text.endsWith("\n");
    stream.write(text, done);
  }

  /** Writes lines where the prompt is, and the prompt again behind them. */
  function insert(lines: string, done: () => void): void {
    const { rows } = reader.getCursorPos();
    const up = rows > 0 ? `\u001b[${rows}A` : "";
    // readline goes up by the rows that it has last drawn below the prompt's first, before it draws it anew.
    const { prevRows = rows } = reader as { prevRows?: number };
    output.write(`${up}\r\u001b[J${lines}${"\n".repeat(prevRows)}`, done);
    reader.prompt(true);
  }

  return {
    above(stream) {
      if (stream.isTTY !== true || output.isTTY !== true) return stream;
      let waiting = "";
      const guarded: Output = new Writable({
        decodeStrings: false,
        write(text: string, _encoding, written) {
          const done = () => written();
          waiting += text;
          if (!prompting()) {
            pass(stream, waiting, done);
            waiting = "";
            return;
          }
          const end = waiting.lastIndexOf("\n") + 1;
          const lines = waiting.slice(0, end);
          waiting = waiting.slice(end);
          if (lines === "") done();
          else insert(lines, done);
        },
      });
      guarded.isTTY = true;
      for (const property of ["columns", "rows"] as const) {
        Object.defineProperty(guarded, property, { get: () => stream[property] });
      }
      stream.on("error", (error) => guarded.emit("error", error));
      flushes.push(() => {
        if (waiting !== "") pass(stream, waiting);
        waiting = "";
      });
      return guarded;
    },
    beforePrompt() {
      if (lineOpen) output.write("\n");
      lineOpen = false;
    },
    flush() {
      for (const each of flushes) each();
    },
  };
}
