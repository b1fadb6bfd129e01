import type { Writable } from "node:stream";
import { createMarkdownPainter, type MarkdownPainter } from "./markdown.ts";
import { createPaint, hasFormats } from "./paint.ts";
import { oneLine, withoutControls } from "./sanitize.ts";
import { formatTable } from "./table.ts";

/** An output of the process: a terminal, or a pipe or a file. */
export type Output = Writable & { isTTY?: boolean; columns?: number; rows?: number };

/** Where a conversation is shown. Replies go to stdout, everything about them to stderr. */
export interface Screen {
  /** Whether a person looks at stdout. */
  readonly terminal: boolean;
  /** Aborts when stdout takes no more: its reader has left (EPIPE, `chatwire chat … | head`), or a disk is full. */
  readonly gone: AbortSignal;
  /** A piece of the reply: byte for byte into a pipe; on a terminal painted and without control characters. */
  reply(text: string): Promise<void>;
  /** A piece of the model's thinking: dimmed on a terminal, and left out of a pipe. */
  thought(text: string): Promise<void>;
  /** The reply has come to its end, and so has its line. */
  endReply(): Promise<void>;
  /** Ends the line that the reply has begun, if it has. */
  endLine(): Promise<void>;
  /** What a person has said in the session, on lines of its own. */
  said(text: string): Promise<void>;
  /** A line on stdout that was asked for, such as one of a list. */
  line(text: string): Promise<void>;
  /** Rows on stdout that were asked for, in columns. */
  table(rows: readonly (readonly string[])[]): Promise<void>;
  /** Text on stdout as it is: NDJSON. */
  data(text: string): Promise<void>;
  /** A remark on stderr, on a line of its own. */
  note(text: string): Promise<void>;
  /** A remark while a reply is under way: like `note`, but what goes into a pipe stays byte for byte. */
  aside(text: string): Promise<void>;
}

export type ScreenOptions = {
  /** Says by NO_COLOR and TERM whether text is painted. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Stdout is for NDJSON alone: what was asked for goes to stderr. */
  json?: boolean;
};

/** Shows a conversation on the two outputs of a process. NO_COLOR is honoured (no-color.org). */
export function createScreen(
  stdout: Output,
  stderr: Output,
  { env = process.env, json = false }: ScreenOptions = {},
): Screen {
  const terminal = stdout.isTTY === true;
  const listing = json ? stderr : stdout;
  const gone = new AbortController();
  const paint = createPaint(stdout, env);
  const paintRemark = createPaint(stderr, env);
  const markdown = hasFormats(stdout, env)
    ? createMarkdownPainter(paint, () => stdout.columns ?? 80)
    : asItIs;
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

  /** Ends what is open on stdout, behind `rest` of it; the state changes at once, the write may take longer. */
  function end(rest: string): Promise<void> {
    const open = rest === "" ? lineOpen : !rest.endsWith("\n");
    lineOpen = false;
    thinking = false;
    return write(stdout, `${rest}${open ? "\n" : ""}`);
  }

  const endLine = () => end(markdown.flush());
  const remark = (text: string) => write(stderr, `${paintRemark("dim", withoutControls(text))}\n`);

  function show(text: string, shown = text): Promise<void> {
    if (text !== "") lineOpen = !text.endsWith("\n");
    return write(stdout, shown);
  }

  return {
    terminal,
    gone: gone.signal,
    endLine,
    endReply: () => end(markdown.end()),
    async reply(text) {
      if (thinking) await endLine();
      await show(terminal ? markdown.push(withoutControls(text)) : text);
    },
    async thought(text) {
      if (!terminal) return;
      if (!thinking) await endLine();
      const clean = withoutControls(thinking ? text : `(thinking) ${text}`);
      thinking = true;
      await show(clean, paint("dim", clean));
    },
    async said(text) {
      await end(markdown.end());
      await write(stdout, `${paint("bold", `> ${withoutControls(text).trimEnd()}`)}\n`);
    },
    async line(text) {
      await endLine();
      await write(listing, `${oneLine(text)}\n`);
    },
    async table(rows) {
      await endLine();
      await write(listing, formatTable(rows));
    },
    data: (text) => write(stdout, text),
    async note(text) {
      await endLine();
      await remark(text);
    },
    async aside(text) {
      await Promise.all([terminal ? endLine() : undefined, remark(text)]);
    },
  };
}

/** For a pipe, and for a terminal without formats. */
const asItIs: MarkdownPainter = { push: (text) => text, flush: () => "", end: () => "" };
