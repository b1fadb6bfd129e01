import { once } from "node:events";
import { constants, type ServerHttp2Stream } from "node:http2";
import { Code, ConnectError, createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { Call, Departure } from "../chat/call.ts";

/** The HTTP/2 stream that carries a call, with its session as long as that is known; set by the mount. */
export type CallStream = {
  stream: ServerHttp2Stream;
  session: { readonly destroyed: boolean } | undefined;
};

export const callStreamKey = createContextKey<CallStream | undefined>(undefined, {
  description: "the HTTP/2 stream that carries the call",
});

/**
 * A call as turns see it. Only native gRPC can tell a decision from an accident: there a reset by the client
 * and an expired deadline cancel. Browsers reset a stream when a page is reloaded just as when it cancels, and
 * a proxy that speaks HTTP itself resets when it likes (`trustStreamReset` false).
 */
export function callOf(context: HandlerContext, trustStreamReset: boolean): Call {
  const { signal } = context;
  return {
    signal,
    async departure() {
      if (context.protocolName !== "grpc" || isOfCredential(signal.reason)) return "lost";
      if (isPastDeadline(context)) return "cancelled";
      const carrier = context.values.get(callStreamKey);
      if (!trustStreamReset || !carrier) return "lost";
      return departureOf(carrier, context.timeoutMs() !== undefined);
    },
  };
}

/** We have ended the call ourselves, with its credential; the client's reset that may follow decides nothing. */
function isOfCredential(reason: unknown): boolean {
  return ConnectError.from(reason).code === Code.Unauthenticated;
}

/** The client's own timer began when it dialled, and may have reset the call before ours is due. */
const deadlineSlackMs = 250;

function isPastDeadline({ signal, timeoutMs }: HandlerContext): boolean {
  if (ConnectError.from(signal.reason).code === Code.DeadlineExceeded) return true;
  const leftMs = timeoutMs();
  return leftMs !== undefined && leftMs <= deadlineSlackMs;
}

/**
 * A client that resets a call and one that vanishes look the same when the stream aborts (rstCode 8 both
 * times); when the stream has closed, the vanished one's session is gone too. At a deadline connect-node resets
 * with INTERNAL_ERROR, other clients with CANCEL.
 */
async function departureOf(
  { stream, session }: CallStream,
  hasDeadline: boolean,
): Promise<Departure> {
  if (!stream.closed || !stream.destroyed) await once(stream, "close").catch(() => undefined);
  const { rstCode } = stream;
  const isTimeout = hasDeadline && rstCode === constants.NGHTTP2_INTERNAL_ERROR;
  const wasReset = rstCode === constants.NGHTTP2_CANCEL || isTimeout;
  return wasReset && session?.destroyed === false ? "cancelled" : "lost";
}
