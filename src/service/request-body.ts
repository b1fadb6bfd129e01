import type { IncomingMessage, ServerResponse } from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import { createContextKey } from "@connectrpc/connect";
import { untilAborted } from "./until-aborted.ts";

/** The bytes of a request, and what bounds the wait for them. */
export type RequestBody = AsyncIterable<Uint8Array> & {
  /** Ends reading with the signal's reason when it aborts; to be set before reading begins. */
  endOn(signal: AbortSignal): void;
};

/** The body of the call, for the gate that knows its deadline; set by the mount. */
export const requestBodyKey = createContextKey<RequestBody | undefined>(undefined, {
  description: "the bytes of the request",
});

/**
 * The bytes of a request's body. Once the response has left, what is still to come is discarded: a client that
 * was refused in mid upload would otherwise wait for somebody to read on, and on HTTP/1.1 not see the answer.
 * How long it may send is the listener's bound, and the call's deadline; on HTTP/2 what `endAnsweredEarly` says.
 */
export function readBody(request: IncomingMessage, response: ServerResponse): RequestBody {
  // Ending the iteration must not destroy the request, and the connection with it.
  const body: AsyncIterableIterator<Uint8Array> = request.iterator({ destroyOnReturn: false });
  // On HTTP/2 the response itself finishes only when its stream is closed, and that waits for this.
  const answer = "stream" in response ? (response.stream as ServerHttp2Stream) : response;
  answer.once("finish", () => {
    const discard = () => void request.resume();
    body.return?.().then(discard, discard);
  });
  let ending: AbortSignal | undefined;
  return {
    endOn(signal) {
      ending = signal;
    },
    [Symbol.asyncIterator]: () => (ending ? untilAborted(body, ending) : body),
  };
}
