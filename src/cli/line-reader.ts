import { on } from "node:events";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { type Interrupts, signalInterrupts } from "./interrupts.ts";
import type { Output } from "./screen.ts";

/** Reads what a person types, a line at a time. */
export type LineReader = {
  /**
   * Shows the prompt and waits for the next line; undefined once they leave by Ctrl-D, or by Ctrl-C at the
   * prompt. Lines typed or pasted while nobody asked are not lost: they come next.
   */
  next(): Promise<string | undefined>;
  /** Ctrl-C while a reply streams. */
  readonly interrupts: Interrupts;
  /** Gives the terminal back as it was. */
  close(): void;
};

/** Reads lines from a terminal, with editing and a history as long as the process lives. */
export function createLineReader(input: NodeJS.ReadStream, output: Output): LineReader {
  const handlers = new Set<() => void>();
  // What is typed while a reply streams would be echoed into it.
  let muted = true;
  const echo = echoTo(output, () => muted);
  const terminal = input.isTTY === true;
  const reader = createInterface({ input, output: echo, terminal, prompt: "> " });
  const lines = on(reader, "line", { close: ["close"] });
  let ended = false;
  reader.once("close", () => {
    ended = true;
  });
  reader.on("SIGINT", () => {
    if (handlers.size === 0) reader.close();
    for (const handler of handlers) handler();
  });
  return {
    async next() {
      muted = false;
      if (!ended) reader.prompt(true);
      const { value, done } = await lines.next();
      muted = true;
      if (!done) return String(value[0]);
      output.write("\n");
      return undefined;
    },
    interrupts: {
      listen(handler) {
        handlers.add(handler);
        // The terminal is raw and sends no signal, but `kill -INT` does.
        const stopSignals = signalInterrupts.listen(handler);
        return () => {
          handlers.delete(handler);
          stopSignals();
        };
      },
    },
    close() {
      reader.close();
      input.pause();
    },
  };
}

/** A writable that passes on to `output` unless `muted`, and that readline takes for the same terminal. */
function echoTo(output: Output, muted: () => boolean): Writable {
  const echo = new Writable({
    write(chunk, _encoding, done) {
      if (muted()) done();
      else output.write(chunk, done);
    },
  });
  for (const property of ["columns", "rows"] as const) {
    Object.defineProperty(echo, property, {
      get: () => (output as Partial<NodeJS.WriteStream>)[property],
    });
  }
  output.on("resize", () => echo.emit("resize"));
  return echo;
}
