import { create, type DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type Compression,
  compressionNegotiate,
  createMethodSerializationLookup,
} from "@connectrpc/connect/protocol";
import { headerAcceptEncoding, headerEncoding } from "@connectrpc/connect/protocol-grpc";
import { compressedFlag, type Envelope, encodeEnvelope, readEnvelopes } from "./envelopes.ts";

export type CodecLimits = {
  /** How large a message is read, decompressed, bytes. */
  readMaxBytes: number;
  writeMaxBytes: number;
  /** Smaller messages are not worth compressing, bytes. */
  compressMinBytes: number;
};

/** Reads and writes the messages of a call. */
export interface CallCodec {
  /** What the responses may be compressed with; undefined where they are not. */
  readonly responseEncoding: string | undefined;
  /** The requests; throws a ConnectError for bytes that are none. */
  read(body: AsyncIterable<Uint8Array>): AsyncGenerator<unknown>;
  /** A response with what goes before it on the wire. */
  encode(message: unknown): Buffer | Promise<Buffer>;
}

/** Makes the codecs of an RPC's calls, each by the encodings that its headers name. */
export function createCodecs(
  method: DescMethod,
  accepted: readonly Compression[],
  limits: CodecLimits,
): (header: Headers) => CallCodec {
  const { getI, getO } = createMethodSerializationLookup(method, undefined, undefined, limits);
  const { parse } = getI(true);
  const { serialize } = getO(true);
  return (header) => {
    const { request, response, error } = compressionNegotiate(
      [...accepted],
      header.get(headerEncoding),
      header.get(headerAcceptEncoding),
      headerAcceptEncoding,
    );
    return {
      responseEncoding: response?.name,
      async *read(body) {
        if (error) throw error;
        for await (const envelope of readEnvelopes(body, limits.readMaxBytes)) {
          yield parse(
            isCompressed(envelope)
              ? await decompress(envelope, request, limits.readMaxBytes)
              : envelope.data,
          );
        }
      },
      encode(message) {
        const data = serialize(create(method.output, message as never));
        if (response === null || data.length < limits.compressMinBytes) {
          return encodeEnvelope({ flags: 0, data });
        }
        return compress(data, response);
      },
    };
  };
}

function isCompressed({ flags }: Envelope): boolean {
  return (flags & compressedFlag) !== 0;
}

async function decompress(
  { data }: Envelope,
  compression: Compression | null,
  bytesMax: number,
): Promise<Uint8Array> {
  if (compression) return compression.decompress(data, bytesMax);
  const text = "received compressed envelope, but do not know how to decompress";
  throw new ConnectError(text, Code.Internal);
}

async function compress(data: Uint8Array, compression: Compression): Promise<Buffer> {
  return encodeEnvelope({ flags: compressedFlag, data: await compression.compress(data) });
}
