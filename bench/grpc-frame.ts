import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";

/** Before each message: one byte of flags and four of its length, big-endian (gRPC over HTTP/2). */
export const framePrefixBytes = 5;

/** A message as gRPC sends it, not compressed. */
export function frame<Desc extends DescMessage>(
  schema: Desc,
  init: MessageInitShape<Desc>,
): Buffer<ArrayBuffer> {
  const bytes = toBinary(schema, create(schema, init));
  const framed = Buffer.alloc(framePrefixBytes + bytes.length);
  framed.writeUInt32BE(bytes.length, 1);
  framed.set(bytes, framePrefixBytes);
  return framed;
}

/** Finds where messages end in a stream of bytes, without keeping or reading them. */
export function createFrameCounter(): (data: Buffer) => number {
  const prefix = Buffer.alloc(framePrefixBytes);
  let prefixBytes = 0;
  let messageBytesLeft = 0;
  return (data) => {
    let ended = 0;
    let at = 0;
    while (at < data.length) {
      if (messageBytesLeft > 0) {
        const taken = Math.min(messageBytesLeft, data.length - at);
        messageBytesLeft -= taken;
        at += taken;
        if (messageBytesLeft === 0) ended += 1;
        continue;
      }
      const copied = data.copy(prefix, prefixBytes, at, at + framePrefixBytes - prefixBytes);
      prefixBytes += copied;
      at += copied;
      if (prefixBytes < framePrefixBytes) break;
      prefixBytes = 0;
      messageBytesLeft = prefix.readUInt32BE(1);
      if (messageBytesLeft === 0) ended += 1;
    }
    return ended;
  };
}
