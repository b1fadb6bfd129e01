import { constants, type Http2Stream } from "node:http2";
import type { ListenerTimeouts } from "./options.ts";

/** Bounds the time in which an HTTP/2 client must have sent the whole of a request. */
export type RequestDeadline = {
  /** The stream's request must end (END_STREAM) within `requestTimeoutMs` from now. */
  watch(stream: Http2Stream): void;
  start(): void;
  stop(): void;
};

/**
 * Node times HTTP/1.1 requests, not HTTP/2 streams: a client that sends its message a byte a minute would hold
 * a stream for ever. One that is late is reset with ENHANCE_YOUR_CALM, which gRPC clients report as
 * RESOURCE_EXHAUSTED. Responses are not timed.
 */
export function createRequestDeadline(timeouts: ListenerTimeouts): RequestDeadline {
  // In the order of arrival, so that a check stops at the first stream that still has time.
  const startedAt = new Map<Http2Stream, number>();
  let interval: NodeJS.Timeout | undefined;

  const check = (): void => {
    const lastStart = performance.now() - timeouts.requestTimeoutMs;
    for (const [stream, start] of startedAt) {
      if (start > lastStart) return;
      startedAt.delete(stream);
      const { state } = stream.state;
      if (state === constants.NGHTTP2_STREAM_STATE_OPEN) {
        stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      } else if (state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_LOCAL) {
        // Answered in full before the request had ended (RFC 9113 section 8.1).
        stream.close(constants.NGHTTP2_NO_ERROR);
      }
    }
  };

  return {
    watch(stream) {
      if (stream.endAfterHeaders) return;
      startedAt.set(stream, performance.now());
      stream.once("close", () => startedAt.delete(stream));
    },
    start() {
      interval = setInterval(check, timeouts.checkIntervalMs).unref();
    },
    stop() {
      clearInterval(interval);
    },
  };
}
