/** What goes before each message of a stream: a byte of flags, and the message's length in four. */
const headBytes = 5;

/**
 * Passes the bytes of enveloped messages on in no smaller parts than a message and what goes before it, which is
 * passed on first so that its reader can refuse the length. Connect's own reader adds up all parts that it holds
 * with each one that comes: a message that is sent byte by byte would cost it the square of its length.
 */
export async function* wholeMessages(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const held = createHeld();
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

/** Bytes that wait for more, in a buffer that doubles as it fills. */
function createHeld() {
  let buffer: Buffer = Buffer.alloc(0);
  let length = 0;
  return {
    /** All bytes there are now: those that waited, and these. */
    add(part: Uint8Array): Buffer {
      if (length === 0) {
        buffer = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
      } else {
        if (length + part.length > buffer.length) {
          const larger = Buffer.allocUnsafe(2 * (length + part.length));
          buffer.copy(larger, 0, 0, length);
          buffer = larger;
        }
        buffer.set(part, length);
      }
      length += part.length;
      return buffer.subarray(0, length);
    },
    /** Lets go of what is before; what is passed on is not written to again. */
    keepFrom(start: number): void {
      if (start === 0) return;
      buffer = Buffer.from(buffer.subarray(start, length));
      length = buffer.length;
    },
  };
}
