import { Transform } from "node:stream";
import type { Input } from "./io.ts";

/** Asks the terminal to mark what is pasted (xterm's bracketed paste mode), and to stop that. */
export const bracketedPaste = { on: "\u001b[?2004h", off: "\u001b[?2004l" } as const;

const pasteStart = "\u001b[200~";
const pasteEnd = "\u001b[201~";

/** What stands in the line that is edited for a character that cannot be in it: Unicode's control pictures. */
const standIns = { "\n": "\u2424", "\t": "\u2409" } as const;

/** A line as it was edited, as the text that it stands for. */
export function fromEdited(line: string): string {
  return line.replaceAll(standIns["\n"], "\n").replaceAll(standIns["\t"], "\t");
}

/** A text as a line that can be edited. What a terminal would obey is left out. */
export function toEdited(text: string): string {
  return text
    .replace(/\r\n?/g, "\n")
    .replaceAll("\n", standIns["\n"])
    .replaceAll("\t", standIns["\t"])
    .replace(/\p{Cc}/gu, "");
}

/**
 * What is typed, for readline: a pasted text is one line of it, and a line break typed by Alt-Enter is part of
 * the line too, so that nothing is sent before Enter. Where the terminal does not mark what is pasted, its
 * lines come one by one.
 */
export function createPasteFilter(input: Input): Input {
  let pasting = false;
  let held = "";

  function convert(text: string): string {
    held += text;
    let out = "";
    for (;;) {
      const mark = pasting ? pasteEnd : pasteStart;
      const at = held.indexOf(mark);
      if (at === -1) break;
      out += convertPart(held.slice(0, at));
      held = held.slice(at + mark.length);
      pasting = !pasting;
    }
    // A mark, or a line break of two characters, may be cut by the end of what was read.
    const kept = pasting ? partOf(held, pasteEnd) || (held.endsWith("\r") ? 1 : 0) : cutMark(held);
    out += convertPart(held.slice(0, held.length - kept));
    held = held.slice(held.length - kept);
    return out;
  }

  function convertPart(text: string): string {
    return pasting ? toEdited(text) : text.replaceAll("\u001b\r", standIns["\n"]);
  }

  const filter = new Transform({
    encoding: "utf8",
    transform(chunk: Buffer, _encoding, done) {
      done(null, convert(decoder.decode(chunk, { stream: true })));
    },
    flush(done) {
      done(null, convertPart(held));
    },
  });
  const decoder = new TextDecoder();
  input.pipe(filter);
  return Object.assign(filter, {
    isTTY: input.isTTY === true,
    setRawMode(raw: boolean) {
      input.setRawMode?.(raw);
      return filter;
    },
  });
}

/** How much of the beginning of a paste's mark the text ends with; a lone Escape is a key of its own. */
function cutMark(text: string): number {
  const length = partOf(text, pasteStart);
  return length > 1 ? length : 0;
}

/** The length of the longest end of `text` that `mark` begins with. */
function partOf(text: string, mark: string): number {
  for (let length = Math.min(text.length, mark.length - 1); length > 0; length -= 1) {
    if (mark.startsWith(text.slice(-length))) return length;
  }
  return 0;
}
