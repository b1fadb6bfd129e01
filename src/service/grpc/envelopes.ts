import { Code, ConnectError } from "@connectrpc/connect";
import { createHeldBytes } from "../held-bytes.ts";

/** A message as it is sent: what its flags say, and its bytes. */
export type Envelope = { readonly flags: number; readonly data: Uint8Array };

/** What goes before each message: a byte of flags, and the message's length in four. */
const headBytes = 5;

/**
 * The messages of a request's body. Throws a ConnectError: RESOURCE_EXHAUSTED for a length over `bytesMax`, before
 * any of that message is waited for; INVALID_ARGUMENT for a body that ends within a message.
 */
export async function* readEnvelopes(
  body: AsyncIterable<Uint8Array>,
  bytesMax: number,
): AsyncGenerator<Envelope> {
  const held = createHeldBytes();
  for await (const part of body) {
    const bytes = held.add(part);
    let start = 0;
    while (bytes.length - start >= headBytes) {
      const dataStart = start + headBytes;
      const length = bytes.readUInt32BE(start + 1);
      if (length > bytesMax) throw tooLarge(length, bytesMax);
      if (bytes.length - dataStart < length) break;
      const flags = bytes.readUInt8(start);
      start = dataStart + length;
      yield { flags, data: bytes.subarray(dataStart, start) };
    }
    held.keepFrom(start);
  }
  if (held.length() > 0) {
    throw new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
  }
}

function tooLarge(length: number, bytesMax: number): ConnectError {
  const text = `message size ${length} is larger than configured readMaxBytes ${bytesMax}`;
  return new ConnectError(text, Code.ResourceExhausted);
}
