import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import { withPlainMessage } from "../grpc-message.ts";
import { sendTrailersOnly } from "../trailers-only.ts";

/** What is collected before it is written, bytes: one write costs about as much as one message. */
const batchBytesMax = 65_536;

/** The reply to a gRPC call: headers, messages, and trailers at the end. */
export interface GrpcReply {
  /** False once the client or its connection is gone; what is sent then goes nowhere. */
  isOpen(): boolean;
  /** Sends bytes; the promise, where there is one, ends when the reader has read enough to be sent more. */
  send(bytes: Uint8Array): Promise<void> | undefined;
  /** Ends the reply with its trailer, after all that was sent. A failure before that is one block of headers. */
  end(trailer: Headers): void;
}

/**
 * Replies on the HTTP/2 stream under a response. All messages of one turn of the event loop leave in one write, the
 * headers with the first: `header`, which may change until then, beside those that were set on the response.
 */
export function createGrpcReply(response: ServerResponse, header: Headers): GrpcReply {
  const stream = (response as unknown as { stream: ServerHttp2Stream }).stream;
  let batch: Uint8Array[] = [];
  let batchBytes = 0;
  // Without a listener the error of a connection that is cut off would end the process.
  stream.on("error", () => undefined);

  const isOpen = () => !stream.destroyed && !stream.closed;
  const begin = () => {
    if (stream.headersSent) return;
    const headers = { ":status": 200, ...response.getHeaders(), ...Object.fromEntries(header) };
    stream.respond(headers, { waitForTrailers: true });
  };
  const takeBatch = (): Uint8Array => {
    const [first] = batch;
    const bytes = first && batch.length === 1 ? first : Buffer.concat(batch, batchBytes);
    batch = [];
    batchBytes = 0;
    return bytes;
  };
  const flush = () => {
    if (batchBytes === 0 || !isOpen()) return;
    begin();
    stream.write(takeBatch());
  };
  return {
    isOpen,
    send(bytes) {
      if (batchBytes === 0) process.nextTick(flush);
      batch.push(bytes);
      batchBytes += bytes.length;
      if (batchBytes >= batchBytesMax) flush();
      return stream.writableNeedDrain && isOpen() ? untilDrained(stream) : undefined;
    },
    end(trailer) {
      const plain = withPlainMessage(trailer);
      if (!isOpen()) return;
      const isFailure = trailer.get("grpc-status") !== "0";
      if (isFailure && batchBytes === 0 && sendTrailersOnly(response, header, plain)) return;
      begin();
      // They go out when the response, which listens for it, is asked for them.
      response.addTrailers(Object.fromEntries(plain));
      if (batchBytes === 0) stream.end();
      else stream.end(takeBatch());
    },
  };
}

/** Waits until the stream takes more, or is closed. */
async function untilDrained(stream: ServerHttp2Stream): Promise<void> {
  const waiting = new AbortController();
  const { signal } = waiting;
  const events = ["drain", "close"].map((event) => once(stream, event, { signal }));
  try {
    await Promise.race(events);
  } catch {
    // What fails the stream closes it, too.
  } finally {
    waiting.abort();
    await Promise.allSettled(events);
  }
}
