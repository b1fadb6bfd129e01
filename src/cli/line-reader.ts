import { on } from "node:events";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import type { History } from "./history.ts";
import type { Interrupts } from "./interrupts.ts";
import type { Input } from "./io.ts";
import { bracketedPaste, createPasteFilter, fromEdited, toEdited } from "./paste.ts";
import { createPromptGuard } from "./prompt-guard.ts";
import type { Output } from "./screen.ts";

/** Reads what a person types, a line at a time. */
export type LineReader = {
  /**
   * Shows the prompt and waits for the next line; undefined once they leave by Ctrl-D, or by Ctrl-C at an
   * empty line. Lines typed or pasted while nobody asked are not lost: they come next. `draft` is in the line
   * to be edited.
   */
  next(draft?: string): Promise<string | undefined>;
  /** Asks one question, whose answer is not kept in the history. */
  ask(question: string): Promise<string | undefined>;
  /** Ctrl-C while a reply streams. */
  readonly interrupts: Interrupts;
  /** The same output for what comes while a person types: whole lines appear above the prompt. */
  above(output: Output): Output;
  /** Shows `hint` in front of the prompt; empty for none. */
  hint(hint: string): void;
  /** Calls `handler` with the line so far after each key, and with an empty one when it is sent. */
  onKey(handler: (line: string) => void): void;
  /** Gives the terminal back as it was. */
  close(): Promise<void>;
};

export type LineReaderOptions = {
  history?: History;
  /** The completions of a line, and what of it they complete. Must not throw. */
  complete?: (line: string) => Promise<[string[], string]>;
  /** Ctrl-C as a signal. */
  interrupts: Interrupts;
  /** The terminal knows no control sequences (TERM=dumb): lines are edited by the terminal itself. */
  dumb?: boolean;
};

/** Reads lines from a terminal, with editing, history, completion and pastes of several lines. */
export async function createLineReader(
  input: Input,
  output: Output,
  { history, complete = async (line) => [[], line], interrupts, dumb = false }: LineReaderOptions,
): Promise<LineReader> {
  const handlers = new Set<() => void>();
  const keyHandlers = new Set<(line: string) => void>();
  const terminal = input.isTTY === true && !dumb;
  const keys = createPasteFilter(input);
  // What is typed while a reply streams would be echoed into it.
  let prompting = false;
  let asking = false;
  let hint = "";
  const echo = echoTo(output, () => !prompting);
  const reader = createInterface({
    input: keys,
    output: echo,
    terminal,
    completer: complete,
    history: (await history?.load()) ?? [],
    historySize: 1_000,
    removeHistoryDuplicates: true,
  });
  const guard = createPromptGuard(reader, output, () => prompting && terminal);
  const lines = on(reader, "line", { close: ["close"] });
  let ended = false;
  if (terminal) output.write(bracketedPaste.on);
  reader.once("close", () => {
    ended = true;
  });
  // What is answered to a question is no line to come back to.
  reader.on("history", (entries) => void (asking && entries.shift()));
  reader.on("SIGINT", () => {
    if (handlers.size > 0) for (const handler of handlers) handler();
    else if (reader.line === "") reader.close();
    else {
      reader.write(null, { ctrl: true, name: "e" });
      reader.write(null, { ctrl: true, name: "u" });
    }
  });
  const tellKey = (line: string) => {
    for (const handler of keyHandlers) handler(line);
  };
  keys.on("keypress", () => {
    if (prompting) tellKey(reader.line);
  });

  async function read(prompt: string, draft: string): Promise<string | undefined> {
    guard.beforePrompt();
    reader.setPrompt(`${hint}${prompt}`);
    prompting = true;
    if (!ended) {
      reader.prompt(true);
      if (draft !== "") reader.write(toEdited(draft));
    }
    const { value, done } = await lines.next();
    prompting = false;
    guard.flush();
    tellKey("");
    if (!done) return String(value[0]);
    output.write("\n");
    return undefined;
  }

  return {
    async next(draft = "") {
      const line = await read("> ", draft);
      if (line !== undefined) await history?.add(line);
      return line === undefined ? undefined : fromEdited(line);
    },
    async ask(question) {
      asking = true;
      const answer = await read(question, "");
      asking = false;
      return answer;
    },
    interrupts: {
      listen(handler) {
        handlers.add(handler);
        // The terminal is raw and sends no signal, but `kill -INT` does.
        const stopSignals = interrupts.listen(handler);
        return () => {
          handlers.delete(handler);
          stopSignals();
        };
      },
    },
    above: guard.above,
    hint(text) {
      const shown = text === "" ? "" : `(${text}) `;
      if (shown === hint) return;
      hint = shown;
      if (!prompting || ended) return;
      reader.setPrompt(`${hint}> `);
      reader.prompt(true);
    },
    onKey: (handler) => void keyHandlers.add(handler),
    async close() {
      if (terminal) output.write(bracketedPaste.off);
      reader.close();
      input.unpipe();
      input.pause();
    },
  };
}

/** A writable that passes on to `output` unless `muted`, and that readline takes for the same terminal. */
function echoTo(output: Output, muted: () => boolean): Writable {
  const echo = new Writable({
    write(chunk, _encoding, done) {
      if (!muted()) output.write(chunk);
      // At once: what waited here for its turn would come after the line is sent, when nothing is echoed.
      done();
    },
  });
  for (const property of ["columns", "rows"] as const) {
    Object.defineProperty(echo, property, { get: () => output[property] });
  }
  output.on("resize", () => echo.emit("resize"));
  return echo;
}
