import { createHeldBytes } from "./held-bytes.ts";

/** What goes before each message of a stream: a byte of flags, and the message's length in four. */
const headBytes = 5;

/**
 * Passes the bytes of enveloped messages on in no smaller parts than a message and what goes before it, which is
 * passed on first so that its reader can refuse the length. Connect's own reader adds up all parts that it holds
 * with each one that comes: a message that is sent byte by byte would cost it the square of its length.
 */
export async function* wholeMessages(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const held = createHeldBytes();
  let wanted = headBytes;
  let isHead = true;
  for await (const part of parts) {
    const bytes = held.add(part);
    let end = 0;
    while (bytes.length - end >= wanted) {
      const start = end;
      end += wanted;
      wanted = isHead ? bytes.readUInt32BE(start + 1) : headBytes;
      isHead = !isHead;
    }
    held.keepFrom(end);
    if (end > 0) yield bytes.subarray(0, end);
  }
  const rest = held.add(new Uint8Array());
  if (rest.length > 0) yield rest;
}
