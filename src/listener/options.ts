import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";

/**
 * Serves one request of either HTTP version; Fastify's `routing` is one. It answers by the response. If it
 * throws, the error is logged and that one request is cut.
 */
export type RequestHandler = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

/** What the listener needs of a logger; pino and Fastify's logger fit. */
export interface ListenerLog {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** What the TLS port needs, as PEM text. */
export type TlsFiles = {
  /** The certificate chain, own certificate first. */
  cert: string | Buffer;
  /** Its private key. */
  key: string | Buffer;
  /** With it a client must show a certificate that one of these signed, or the handshake fails. */
  clientCa?: string | Buffer;
};

/** Every wait of the listener is bounded by one of these; all are milliseconds. */
export type ListenerTimeouts = {
  /** From a connection (with TLS: again from the end of its handshake) to the bytes that tell its protocol. */
  sniffTimeoutMs: number;
  /** For a TLS handshake. */
  handshakeTimeoutMs: number;
  /** HTTP/1.1: from a request's start (or the connection's) to the end of its headers; then 408. */
  headersTimeoutMs: number;
  /**
   * From a request's start to the end of its body: HTTP/1.1 answers 408, HTTP/2 resets the stream with
   * ENHANCE_YOUR_CALM. A response in progress is never cut by it, nor an open-ended request.
   */
  requestTimeoutMs: number;
  /** How often headersTimeoutMs and requestTimeoutMs are looked at; they may be late by this much. */
  checkIntervalMs: number;
  /** HTTP/1.1: how long an idle connection stays. Above the 60 s after which common load balancers let go. */
  keepAliveTimeoutMs: number;
  /** HTTP/2: a PING goes out this often; idle sessions that answer it stay, gRPC clients keep such channels. */
  pingIntervalMs: number;
  /** HTTP/2: a session that has not answered a PING by then is cut. Less than pingIntervalMs. */
  pingTimeoutMs: number;
  /** HTTP/2: the longest wait between the first GOAWAY and the final one. */
  goawayTimeoutMs: number;
  /**
   * How long a socket may take to flush and part once nothing is left to serve on it, and how long an idle
   * HTTP/1.1 connection has, from the start of the drain, to send a request that tells it to close.
   */
  lingerTimeoutMs: number;
};

export const listenerTimeoutsDefault: Readonly<ListenerTimeouts> = {
  sniffTimeoutMs: 5_000,
  handshakeTimeoutMs: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  checkIntervalMs: 5_000,
  keepAliveTimeoutMs: 65_000,
  pingIntervalMs: 30_000,
  pingTimeoutMs: 10_000,
  goawayTimeoutMs: 1_000,
  lingerTimeoutMs: 1_000,
};

export type ListenerLimits = {
  /** Connections at once, undecided ones included; one more is closed at once. */
  connectionsMax: number;
  /**
   * Streams at once on one HTTP/2 connection. One more is refused, which clients may retry; from a client that
   * has acknowledged the limit it is a protocol error that ends the connection. The same for pipelined requests on
   * one HTTP/1.1 connection, which one more ends.
   */
  connectionStreamsMax: number;
  /** One request's headers, in bytes as each HTTP version counts them: HTTP/1.1 answers 431, HTTP/2 resets. */
  headerBytesMax: number;
  /**
   * Age, in milliseconds, at which a connection is told to close: HTTP/2 by GOAWAY, while its streams finish,
   * HTTP/1.1 by `Connection: close` on its next answer. 10 % more or less by chance, so that connections that
   * began together do not end together. 0: never.
   */
  connectionAgeMaxMs: number;
};

export const listenerLimitsDefault: Readonly<ListenerLimits> = {
  connectionsMax: Number.POSITIVE_INFINITY,
  connectionStreamsMax: 250,
  headerBytesMax: 16_384,
  connectionAgeMaxMs: 0,
};

/** One HTTP version behind the port: it is given sockets that speak it. */
export interface HttpLane {
  /** Starts the lane's periodic checks. */
  start(): void;
  /** Takes over a socket whose first bytes may be waiting in its buffer. */
  accept(socket: Socket): void;
  /** Connections that the lane holds. */
  connections(): number;
  /** Requests whose response has not ended. */
  requests(): number;
  /**
   * Tells every client that its connection takes no more requests: HTTP/2 at once, HTTP/1.1, which cannot be
   * told while it is idle, with the next answer. Resolves when all were told that can be.
   */
  drain(): Promise<void>;
  /** Ends connections without an open request, from now on as soon as they have none. Repeating it is safe. */
  part(): void;
  /** Resolves true once no request is open, false after `timeoutMs`. */
  emptyWithin(timeoutMs: number): Promise<boolean>;
  /** Ends every connection now and stops the checks. */
  destroy(): void;
}
