import { constants, type Http2Session } from "node:http2";
import type { ListenerTimeouts } from "./options.ts";

/** The last stream id of a GOAWAY that refuses nothing yet (RFC 9113 section 6.8). */
const streamIdMax = 2 ** 31 - 1;

/**
 * Sends a PING every `pingIntervalMs` and calls `onDead` when one is not answered within `pingTimeoutMs`.
 * It ends with the session. `onDead` is called once at most.
 */
export function watchPeer(
  session: Http2Session,
  { pingIntervalMs, pingTimeoutMs }: ListenerTimeouts,
  onDead: () => void,
): void {
  let dead: NodeJS.Timeout | undefined;
  const interval = setInterval(() => {
    if (session.destroyed || dead !== undefined) return;
    // After a stall of this process timers run first: the answer may be waiting in the socket, so read once more.
    dead = setTimeout(() => {
      setImmediate(() => {
        if (dead !== undefined && !session.destroyed) onDead();
      });
    }, pingTimeoutMs).unref();
    session.ping(() => {
      clearTimeout(dead);
      dead = undefined;
    });
  }, pingIntervalMs).unref();
  session.once("close", () => {
    clearInterval(interval);
    clearTimeout(dead);
  });
}

/**
 * Closes a session with open streams in two steps: a GOAWAY that names no last stream, so that the client opens
 * no more, and after a PING round trip (at most `goawayTimeoutMs`) the final one by `session.close()`, which
 * lets open streams finish. nghttp2 serves no stream that arrives after the first GOAWAY; the final one names
 * the last stream that was served, so the client knows which calls it may send again elsewhere.
 *
 * Not for a session without streams: after a GOAWAY nghttp2 reads nothing more from it, no PING's answer
 * either. It takes `session.close()` alone, also when its last stream ends during the round trip.
 */
export async function announceClose(
  session: Http2Session,
  { goawayTimeoutMs }: ListenerTimeouts,
): Promise<void> {
  if (session.closed || session.destroyed) return;
  session.goaway(constants.NGHTTP2_NO_ERROR, streamIdMax);
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, goawayTimeoutMs);
    session.ping(() => {
      clearTimeout(timer);
      resolve();
    });
  });
  session.close();
}
