import type { IncomingMessage, ServerResponse } from "node:http";

/**
 * The bytes of a request's body. Once the response has left, what is still to come is discarded: a client that
 * was refused in mid upload would otherwise wait for somebody to read on, and on HTTP/1.1 not see the answer.
 * How long it may send is the listener's bound.
 */
export function readBody(
  request: IncomingMessage,
  response: ServerResponse,
): AsyncIterable<Uint8Array> {
  // Ending the iteration must not destroy the request, and the connection with it.
  const body = request.iterator({ destroyOnReturn: false });
  response.once("finish", () => {
    const discard = () => void request.resume();
    body.return?.().then(discard, discard);
  });
  return body;
}
