import type { IncomingHttpHeaders } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";

/**
 * Refuses bytes that are no UTF-8 in an uncompressed JSON body; the handler's own decoder would put
 * replacement characters in their place, and the client's text would not be what it sent.
 */
export function strictUtf8(
  headers: IncomingHttpHeaders,
  { body }: UniversalServerRequest,
): UniversalServerRequest["body"] {
  const isJson = /^application\/json\b/.test(headers["content-type"] ?? "");
  const isPlain = (headers["content-encoding"] ?? "identity") === "identity";
  if (!isJson || !isPlain || !isByteStream(body)) return body;
  return decodeStrictly(body);
}

async function* decodeStrictly(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const bytes of body) {
      decoder.decode(bytes, { stream: true });
      yield bytes;
    }
    decoder.decode();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ConnectError("the request's JSON is not valid UTF-8", Code.InvalidArgument);
  }
}

function isByteStream(body: UniversalServerRequest["body"]): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}
