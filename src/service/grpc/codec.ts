import { create, type DescMethod } from "@bufbuild/protobuf";
import {
  type Compression,
  compressedFlag,
  compressionNegotiate,
  createMethodSerializationLookup,
  encodeEnvelope,
  envelopeDecompress,
} from "@connectrpc/connect/protocol";
import { headerAcceptEncoding, headerEncoding } from "@connectrpc/connect/protocol-grpc";
import { type Envelope, readEnvelopes } from "./envelopes.ts";

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
  encode(message: unknown): Uint8Array | Promise<Uint8Array>;
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
          const { data } = isCompressed(envelope)
            ? await envelopeDecompress(envelope, request, limits.readMaxBytes)
            : envelope;
          yield parse(data);
        }
      },
      encode(message) {
        const data = serialize(create(method.output, message as never));
        if (response === null || data.length < limits.compressMinBytes) {
          return encodeEnvelope(0, data);
        }
        return compress(data, response);
      },
    };
  };
}

function isCompressed({ flags }: Envelope): boolean {
  return (flags & compressedFlag) !== 0;
}

async function compress(data: Uint8Array, compression: Compression): Promise<Uint8Array> {
  return encodeEnvelope(compressedFlag, await compression.compress(data));
}
