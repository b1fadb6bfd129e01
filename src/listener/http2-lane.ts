import http2, {
  type Http2ServerRequest,
  type Http2ServerResponse,
  type Http2Session,
  type Http2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import { whenAged } from "./connection-age.ts";
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
 * HTTP/2 on sockets that are handed to it, plain or TLS. Node's other bounds are right as they are: 10 MB of memory a
 * session, 128 headers a request, 32 entries a SETTINGS frame, 1,000 unsent answers to PING and SETTINGS, 100 streams
 * above the limit, 1,000 stream resets and then 33 a second: fewer would hurt a proxy that has the calls of
 * many clients on one connection.
 */
export function createHttp2Lane(options: Http2LaneOptions): HttpLane {
  const { handler, isOpenEnded, timeouts, limits, log } = options;
  const sessions = new Map<Http2Session, SessionState>();
  const streams = createOpenSet<Http2Stream>();
  const deadline = createRequestDeadline(timeouts);
  let draining = false;

  const server = http2.createServer({
    // A client in its right mind sends none; Node's default is ten times as many.
    maxSessionInvalidFrames: 100,
    settings: {
      maxConcurrentStreams: limits.connectionStreamsMax,
      maxHeaderListSize: limits.headerBytesMax,
    },
  });

  const countStreams = (session: Http2Session | undefined, change: 1 | -1): void => {
    const state = session && sessions.get(session);
    if (session === undefined || state === undefined) return;
    state.streams += change;
    if ((draining || state.ending) && state.streams === 0) session.close();
  };

  /** Ends the session by GOAWAY; its open streams finish. */
  const endSession = async (session: Http2Session, state: SessionState): Promise<void> => {
    if (state.ending) return;
    state.ending = true;
    if (state.streams === 0) session.close();
    else await announceClose(session, timeouts);
  };

  // First of all listeners: a stream without an error listener ends the process when its session is cut.
  server.on("stream", (stream, headers) => {
    stream.on("error", (error) => log.debug({ err: error }, "HTTP/2 stream failed"));
    const { session } = stream;
    streams.add(stream);
    countStreams(session, 1);
    const state = session && sessions.get(session);
    // A connection that came during the drain is told with its first call: a GOAWAY only at that call's end would
    // cross with the next one, which proxies report as a failure.
    if (draining && session && state) void endSession(session, state);
    stream.once("close", () => {
      streams.delete(stream);
      countStreams(session, -1);
    });
    if (!isOpenEnded(headers[":path"] ?? "")) deadline.watch(stream);
  });

  server.on("request", (request, response) => {
    // In the turn of the event loop that brought it the client may also have reset it (CVE-2023-44487): then
    // nothing is begun that would have to be undone.
    setImmediate(() => {
      if (!response.stream.closed && !response.stream.destroyed) handle(request, response);
    });
  });

  const handle = (request: Http2ServerRequest, response: Http2ServerResponse): void => {
    try {
      handler(request, response);
    } catch (error) {
      log.error({ err: error }, "the request handler threw");
      response.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    }
  };

  const open = (session: Http2Session, socket: Socket): void => {
    session.on("error", (error) => log.debug({ err: error }, "HTTP/2 session failed"));
    const state = { streams: 0, ending: false };
    sessions.set(session, state);
    session.once("close", () => sessions.delete(session));
    whenAged(session, limits.connectionAgeMaxMs, () => void endSession(session, state));
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
      await Promise.all([...sessions].map(([session, state]) => endSession(session, state)));
    },
    part() {
      // Those that opened no stream since the drain began.
      for (const [session, { streams }] of sessions) if (streams === 0) session.close();
    },
    emptyWithin: (timeoutMs) => streams.emptyWithin(timeoutMs),
    destroy() {
      deadline.stop();
      for (const session of sessions.keys()) session.destroy();
    },
  };
}

type SessionState = {
  /** How many are open. */
  streams: number;
  /** Told by GOAWAY to take its next calls elsewhere. */
  ending: boolean;
};
