import { limits } from "../chat/limits.ts";
import { describeBytes } from "../config/parse.ts";
import { CliError, exitCode } from "./exit-code.ts";

/** After so long it is said what is waited for: an open pipe that nobody writes to looks like a hang. */
const hintAfterMs = 3_000;

/**
 * Reads standard input to its end, as UTF-8 without the last newline. Throws CliError (usage) when it is no
 * text, or longer than a message may be.
 */
export async function readPipedText(
  stdin: AsyncIterable<Uint8Array>,
  hint: (text: string) => void,
): Promise<string> {
  const timer = setTimeout(() => hint("waiting for the end of standard input"), hintAfterMs);
  try {
    const pieces: Uint8Array[] = [];
    let byteCount = 0;
    for await (const piece of stdin) {
      byteCount += piece.length;
      if (byteCount > limits.messageBytesMax) {
        const max = describeBytes(limits.messageBytesMax);
        throw new CliError(
          `standard input is longer than a message may be (${max})`,
          exitCode.usage,
        );
      }
      pieces.push(piece);
    }
    return decode(Buffer.concat(pieces)).replace(/\r?\n$/, "");
  } finally {
    clearTimeout(timer);
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new CliError("standard input is not UTF-8 text", exitCode.usage);
  }
}
