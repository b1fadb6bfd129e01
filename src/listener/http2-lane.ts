import http2, { type Http2Session, type Http2Stream } from "node:http2";
import type { Socket } from "node:net";
import { announceClose, watchPeer } from "./http2-session.ts";
import { createOpenSet } from "./open-set.ts";
import type {
  HttpLane,
  ListenerLimits,
  ListenerLog,
  ListenerTimeouts,
  RequestHandler,
} from "./options.ts";
import { createRequestDeadline } from "./request-deadline.ts";

export type Http2LaneOptions = {
  handler: RequestHandler;
  isOpenEnded: (path: string) => boolean;
  timeouts: ListenerTimeouts;
  limits: ListenerLimits;
  log: ListenerLog;
};

/**
 * HTTP/2 on sockets that are handed to it, plain or TLS. Node's own bounds stay as they are: session memory,
 * invalid frames, and the limit on stream resets (1,000, then 33 a second; CVE-2023-44487).
 */
export function createHttp2Lane(options: Http2LaneOptions): HttpLane {
  const { handler, isOpenEnded, timeouts, limits, log } = options;
  /** Every open session with the number of its open streams. */
  const sessions = new Map<Http2Session, number>();
  const streams = createOpenSet<Http2Stream>();
  const deadline = createRequestDeadline(timeouts);
  let draining = false;

  const server = http2.createServer({
    settings: {
      maxConcurrentStreams: limits.connectionStreamsMax,
      maxHeaderListSize: limits.headerBytesMax,
    },
  });

  const countStreams = (session: Http2Session | undefined, change: 1 | -1): void => {
    const before = session && sessions.get(session);
    if (session === undefined || before === undefined) return;
    sessions.set(session, before + change);
    if (draining && before + change === 0) session.close();
  };

  // First of all listeners: a stream without an error listener ends the process when its session is cut.
  server.on("stream", (stream, headers) => {
    stream.on("error", (error) => log.debug({ err: error }, "HTTP/2 stream failed"));
    const { session } = stream;
    streams.add(stream);
    countStreams(session, 1);
    stream.once("close", () => {
      streams.delete(stream);
      countStreams(session, -1);
    });
    if (!isOpenEnded(headers[":path"] ?? "")) deadline.watch(stream);
  });

  server.on("request", (request, response) => {
    try {
      handler(request, response);
    } catch (error) {
      log.error({ err: error }, "the request handler threw");
      response.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    }
  });

  const open = (session: Http2Session, socket: Socket): void => {
    session.on("error", (error) => log.debug({ err: error }, "HTTP/2 session failed"));
    sessions.set(session, 0);
    session.once("close", () => sessions.delete(session));
    watchPeer(session, timeouts, () => {
      log.debug({ remoteAddress: socket.remoteAddress }, "HTTP/2 peer answers no PING: cut");
      session.destroy();
      // The session alone would wait for its last bytes to leave, which a dead peer never takes.
      socket.destroy();
    });
  };

  return {
    start: () => deadline.start(),
    accept(socket) {
      const onSession = (session: Http2Session): void => open(session, socket);
      server.once("session", onSession);
      server.emit("connection", socket);
      server.off("session", onSession);
    },
    connections: () => sessions.size,
    requests: () => streams.size,
    async drain() {
      draining = true;
      await Promise.all(
        [...sessions].map(async ([session, streamCount]) => {
          if (streamCount === 0) session.close();
          else await announceClose(session, timeouts);
        }),
      );
    },
    emptyWithin: (timeoutMs) => streams.emptyWithin(timeoutMs),
    destroy() {
      deadline.stop();
      for (const session of sessions.keys()) session.destroy();
    },
  };
}
