import type { ServerResponse } from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";

/**
 * Whether a native gRPC call has failed before its first message. Connect's handler answers when it has the first
 * message or the end, so a failure that stands in the trailers by then came before any.
 */
export function failedAtOnce({ trailer }: UniversalServerResponse): boolean {
  const status = trailer?.get("grpc-status");
  return status !== undefined && status !== null && status !== "0";
}

/**
 * Ends a call over HTTP/2 with one block of headers, gRPC's "Trailers-Only" (gRPC over HTTP2). A client's retry policy
 * looks at nothing else: by headers that are followed by anything a call is committed, and not retried (gRFC A6).
 * With what was set on the response before. False, and nothing sent, where it is not HTTP/2 or has begun already.
 */
export function sendTrailersOnly(response: ServerResponse, ...parts: readonly Headers[]): boolean {
  if (!("stream" in response) || response.headersSent) return false;
  const stream = response.stream as ServerHttp2Stream;
  if (stream.destroyed || stream.closed) return false;
  const own = parts.flatMap((part) => [...part]);
  const headers = { ...response.getHeaders(), ...Object.fromEntries(own) };
  stream.respond({ ":status": 200, ...headers }, { endStream: true });
  return true;
}
