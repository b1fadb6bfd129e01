import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { whenAged } from "./connection-age.ts";
import {
  expectationUnknown,
  type Http1Refusal,
  http1FaultOf,
  http1RefusalOf,
  refusalHeaders,
  writeRefusal,
} from "./http1-refusal.ts";
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

/**
 * HTTP/1.1 on sockets that are handed to it, plain or TLS. Upgrades are refused by answering in HTTP/1.1.
 *
 * HTTP/1.1 has no GOAWAY: only an answer can tell a client that its connection ends. One that is closed while it
 * is idle loses the request that crosses with the close, so a drain keeps idle connections until `part`.
 */
export function createHttp1Lane({ handler, timeouts, limits, log }: Http1LaneOptions): HttpLane {
  const connections = createOpenSet<Connection>();
  const connectionOf = new WeakMap<Socket, Connection>();
  let draining = false;
  let parting = false;

  const server = http.createServer({
    headersTimeout: timeouts.headersTimeoutMs,
    requestTimeout: timeouts.requestTimeoutMs,
    connectionsCheckingInterval: timeouts.checkIntervalMs,
    keepAliveTimeout: timeouts.keepAliveTimeoutMs,
    maxHeaderSize: limits.headerBytesMax,
    // http1RefusalOf does it, in words.
    requireHostHeader: false,
    // `curl --http2` asks for h2c in its first request and takes an HTTP/1.1 answer.
    shouldUpgradeCallback: () => false,
  });
  const responses = createOpenSet<ServerResponse>();

  const begin = (connection: Connection, response: ServerResponse): void => {
    responses.add(response);
    connection.responses.add(response);
    if (draining || connection.aged) closeAfterAnswer(connection);
    response.once("close", () => {
      responses.delete(response);
      connection.responses.delete(response);
      // Headers that left before the drain said keep-alive: the connection turns idle after this event.
      if (parting) setImmediate(() => endIdle(connection));
    });
  };

  const serve = (
    request: IncomingMessage,
    response: ServerResponse,
    refusal: Http1Refusal | undefined,
  ): void => {
    const connection = connectionOf.get(request.socket);
    // What comes after an answer that closes, or crosses with our end of the connection, cannot be answered, so
    // it must not be acted on either (RFC 9112 section 9.6).
    if (connection === undefined || connection.closing || request.socket.writableEnded) {
      request.resume();
      return;
    }
    begin(connection, response);
    if (connection.responses.size > limits.connectionStreamsMax) {
      request.socket.destroy();
      return;
    }
    if (refusal !== undefined) {
      refuse(connection, response, refusal);
      return;
    }
    try {
      handler(request, response);
    } catch (error) {
      log.error({ err: error }, "the request handler threw");
      response.destroy();
    }
  };
  server.on("request", (request, response) => serve(request, response, http1RefusalOf(request)));
  server.on("checkExpectation", (request, response) => {
    serve(request, response, expectationUnknown);
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    const [answering] = connectionOf.get(socket)?.responses ?? [];
    // In the middle of an answer another one would be taken for a part of it.
    if (socket.writable && !answering?.headersSent) writeRefusal(socket, http1FaultOf(error));
    socket.destroySoon();
  });

  return {
    start() {
      // A server that never listens never starts its timeout checks: this event starts them, so once only.
      server.emit("listening");
    },
    accept(socket) {
      const connection = {
        socket,
        responses: new Set<ServerResponse>(),
        aged: false,
        closing: false,
      };
      connections.add(connection);
      connectionOf.set(socket, connection);
      socket.once("close", () => {
        connections.delete(connection);
        // A pipelined answer that never had its turn tells nobody that it is over.
        for (const response of connection.responses) responses.delete(response);
      });
      whenAged(socket, limits.connectionAgeMaxMs, () => {
        connection.aged = true;
        closeAfterAnswer(connection);
      });
      server.emit("connection", socket);
    },
    connections: () => connections.size,
    requests: () => responses.size,
    async drain() {
      draining = true;
      for (const connection of connections.list()) closeAfterAnswer(connection);
    },
    part() {
      parting = true;
      for (const connection of connections.list()) endIdle(connection);
    },
    emptyWithin: (timeoutMs) => responses.emptyWithin(timeoutMs),
    destroy() {
      // Stops the timeout checks; the server has no listening socket of its own to close.
      server.close();
      server.closeAllConnections();
    },
  };
}

type Connection = {
  readonly socket: Socket;
  /** Those that have not ended; more than one when the client pipelines. */
  readonly responses: Set<ServerResponse>;
  /** Older than `connectionAgeMaxMs`. */
  aged: boolean;
  /** The newest of the responses ends the connection. */
  closing: boolean;
};

/** Has the newest answer say `Connection: close`; where its headers have left, the next one will. */
function closeAfterAnswer(connection: Connection): void {
  const newest = [...connection.responses].at(-1);
  if (newest === undefined || newest.headersSent) return;
  newest.shouldKeepAlive = false;
  connection.closing = true;
}

function refuse(
  connection: Connection,
  response: ServerResponse,
  { status, reason }: Http1Refusal,
): void {
  closeAfterAnswer(connection);
  const body = `${reason}\n`;
  response.writeHead(status, { ...refusalHeaders, "content-length": body.length }).end(body);
}

/** Our end first, and the socket when the client's has come: to destroy it would reset what is under way. */
function endIdle({ socket, responses }: Connection): void {
  if (responses.size === 0) socket.end();
}
