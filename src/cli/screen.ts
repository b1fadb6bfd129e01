import type { Writable } from "node:stream";
import { styleText } from "node:util";
import { oneLine, withoutControls } from "./sanitize.ts";

/** An output of the process: a terminal, or a pipe or a file. */
export type Output = Writable & { isTTY?: boolean };

/** Where a conversation is shown. Replies go to stdout, everything about them to stderr. */
export interface Screen {
  /** Whether a person looks at stdout. */
  readonly terminal: boolean;
  /** Aborts when stdout takes no more: its reader has left (EPIPE, `chatwire chat … | head`), or a disk is full. */
  readonly gone: AbortSignal;
  /** A piece of the reply: byte for byte into a pipe, without control characters on a terminal. */
  reply(text: string): Promise<void>;
  /** A piece of the model's thinking: dimmed on a terminal, and left out of a pipe. */
  thought(text: string): Promise<void>;
  /** Ends the line that the reply has begun, if it has. */
  endLine(): Promise<void>;
  /** A line on stdout that was asked for, such as one of a list. */
  line(text: string): Promise<void>;
  /** A remark on stderr, on a line of its own. */
  note(text: string): Promise<void>;
  /** A remark while a reply is under way: like `note`, but what goes into a pipe stays byte for byte. */
  aside(text: string): Promise<void>;
}

/** Shows a conversation on the two outputs of a process. NO_COLOR is honoured (no-color.org). */
export function createScreen(stdout: Output, stderr: Output): Screen {
  const terminal = stdout.isTTY === true;
  const gone = new AbortController();
  const dim = (text: string, stream: Output) =>
    stream.isTTY === true ? styleText("dim", text, { stream }) : text;
  let lineOpen = false;
  let thinking = false;

  stdout.on("error", (error: NodeJS.ErrnoException) => gone.abort(error));
  stderr.on("error", () => {});

  // The callback comes on success and on failure alike, so that a slow reader of the pipe slows us.
  const write = (stream: Output, text: string) =>
    new Promise<void>((done) => {
      if (text === "" || stream.destroyed) done();
      else stream.write(text, () => done());
    });

  async function endLine(): Promise<void> {
    const wasOpen = lineOpen;
    // Before the write: an aside may come while a slow reader keeps it waiting.
    lineOpen = false;
    thinking = false;
    if (wasOpen) await write(stdout, "\n");
  }

  const remark = (text: string) => write(stderr, `${dim(withoutControls(text), stderr)}\n`);

  async function show(text: string, shown: string): Promise<void> {
    if (text !== "") lineOpen = !text.endsWith("\n");
    await write(stdout, shown);
  }

  return {
    terminal,
    gone: gone.signal,
    endLine,
    async reply(text) {
      if (thinking) await endLine();
      const clean = terminal ? withoutControls(text) : text;
      await show(clean, clean);
    },
    async thought(text) {
      if (!terminal) return;
      const clean = withoutControls(thinking ? text : `(thinking) ${text}`);
      thinking = true;
      await show(clean, dim(clean, stdout));
    },
    async line(text) {
      await endLine();
      await write(stdout, `${oneLine(text)}\n`);
    },
    async note(text) {
      await endLine();
      await remark(text);
    },
    async aside(text) {
      await Promise.all([terminal ? endLine() : undefined, remark(text)]);
    },
  };
}
