/** Bytes that wait for more, in a buffer that doubles as it fills. */
export function createHeldBytes() {
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
    /** How many wait. */
    length: () => length,
    /** Lets go of what is before; what is passed on is not written to again. */
    keepFrom(start: number): void {
      if (start === 0) return;
      buffer = Buffer.from(buffer.subarray(start, length));
      length = buffer.length;
    },
  };
}
