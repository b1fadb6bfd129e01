import http, { type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { createOpenSet } from "./open-set.ts";
import type {
  HttpLane,
  ListenerLimits,
  ListenerLog,
  ListenerTimeouts,
  RequestHandler,
} from "./options.ts";

export type Http1LaneOptions = {
  handler: RequestHandler;
  timeouts: ListenerTimeouts;
  limits: ListenerLimits;
  log: ListenerLog;
};

/** HTTP/1.1 on sockets that are handed to it, plain or TLS. Upgrades are refused by answering in HTTP/1.1. */
export function createHttp1Lane({ handler, timeouts, limits, log }: Http1LaneOptions): HttpLane {
  const sockets = createOpenSet<Socket>();
  const responses = createOpenSet<ServerResponse>();
  let draining = false;

  const server = http.createServer({
    headersTimeout: timeouts.headersTimeoutMs,
    requestTimeout: timeouts.requestTimeoutMs,
    connectionsCheckingInterval: timeouts.checkIntervalMs,
    keepAliveTimeout: timeouts.keepAliveTimeoutMs,
    maxHeaderSize: limits.headerBytesMax,
    // `curl --http2` asks for h2c in its first request and takes an HTTP/1.1 answer.
    shouldUpgradeCallback: () => false,
  });

  server.on("request", (request, response) => {
    responses.add(response);
    if (draining) response.shouldKeepAlive = false;
    response.once("close", () => {
      responses.delete(response);
      // Headers that left before the drain said keep-alive: the connection turns idle after this event.
      if (draining) setImmediate(() => server.closeIdleConnections());
    });
    try {
      handler(request, response);
    } catch (error) {
      log.error({ err: error }, "the request handler threw");
      response.destroy();
    }
  });

  return {
    start() {
      // A server that never listens never starts its timeout checks: this event starts them, so once only.
      server.emit("listening");
    },
    accept(socket) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      server.emit("connection", socket);
    },
    connections: () => sockets.size,
    requests: () => responses.size,
    async drain() {
      draining = true;
      for (const response of responses.list()) {
        if (!response.headersSent) response.shouldKeepAlive = false;
      }
      server.closeIdleConnections();
    },
    emptyWithin: (timeoutMs) => responses.emptyWithin(timeoutMs),
    destroy() {
      // Stops the timeout checks; the server has no listening socket of its own to close.
      server.close();
      server.closeAllConnections();
    },
  };
}
