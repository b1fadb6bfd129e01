import { constants, type ServerHttp2Stream } from "node:http2";
import type { FastifyInstance } from "fastify";

/**
 * How much of a request is read and dropped after its answer, bytes. More than a stream's window, 64 KiB: a client
 * that sends so much has read the window's updates, and before them the answer.
 */
const restBytesMax = 1_048_576;

/** How long a client that sends less has for it, ms. */
const restTimeMs = 1_000;

/**
 * Ends HTTP/2 streams that are answered before their request is complete, as RFC 9113 section 8.1 says: by
 * RST_STREAM with NO_ERROR after the whole answer. Not at once, as Node does by itself where nothing of the
 * request was read: curl 7.88 loses an answer that it finds together with the reset. Until then what comes is
 * dropped, so that the client goes on and sees its answer. To be called before anything answers. HTTP/1.1 has no
 * such end.
 */
export function endAnsweredEarly(fastify: FastifyInstance): void {
  fastify.addHook("onRequest", async ({ raw }) => {
    if (!("stream" in raw)) return;
    const stream = raw.stream as ServerHttp2Stream;
    // The response itself says "finish" when the stream is closed, and that is what this is to bring about.
    if (!stream.endAfterHeaders) stream.once("finish", () => dropRest(stream));
  });
}

function dropRest(stream: ServerHttp2Stream): void {
  if (stream.readableEnded || stream.closed || stream.destroyed) return;
  let droppedBytes = 0;
  stream.on("data", (part: Buffer) => {
    droppedBytes += part.length;
    if (droppedBytes > restBytesMax) endIfAnswered(stream);
  });
  const timer = setInterval(() => endIfAnswered(stream), restTimeMs).unref();
  stream.once("close", () => clearInterval(timer));
}

/** Until END_STREAM has left, an answer that waits for its reader would be cut off. */
function endIfAnswered(stream: ServerHttp2Stream): void {
  const { state } = stream.state;
  if (state !== constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_LOCAL) return;
  stream.close(constants.NGHTTP2_NO_ERROR);
}
