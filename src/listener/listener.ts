import type { Server, Socket } from "node:net";
import { addressesOf, bindAll, closeServer, ListenError, urlsOf } from "./bind.ts";
import { httpVersionOf, readFirstBytes } from "./first-bytes.ts";
import { createHttp1Lane } from "./http1-lane.ts";
import { createHttp2Lane } from "./http2-lane.ts";
import { createOpenSet } from "./open-set.ts";
import {
  type ListenerLimits,
  type ListenerLog,
  type ListenerTimeouts,
  listenerLimitsDefault,
  listenerTimeoutsDefault,
  type RequestHandler,
  type TlsFiles,
} from "./options.ts";
import { createTlsGate } from "./tls-gate.ts";

export type ListenerOptions = {
  handler: RequestHandler;
  /** With it the port speaks TLS only, and ALPN chooses the HTTP version. */
  tls?: TlsFiles;
  /**
   * Whether requests to this path (`/package.Service/Method`) may stay open as long as their client likes:
   * the calls whose client streams. The body of any other request must end in `requestTimeoutMs`. None by
   * default. HTTP/1.1 carries no such calls.
   */
  isOpenEnded?: (path: string) => boolean;
  timeouts?: Partial<ListenerTimeouts>;
  limits?: Partial<ListenerLimits>;
  log: ListenerLog;
};

/** What is open now, and what was turned away since the start. */
export type ConnectionCounts = {
  /** Every accepted TCP connection that is not closed. */
  sockets: number;
  /** Those that have not yet told their protocol (a TLS handshake included). */
  undecided: number;
  http1Connections: number;
  http2Sessions: number;
  http1Requests: number;
  http2Requests: number;
  /** Connections closed at once because of `connectionsMax`. */
  refusedTotal: number;
};

/** One port for HTTP/1.1 and HTTP/2, plain or TLS. It owns the sockets; the handler answers requests. */
export interface Listener {
  /**
   * Listens; `localhost` is 127.0.0.1 and ::1 (where it exists) on the same port, and port 0 is any free one.
   * Rejects with a ListenError (code, host, port) when the port cannot be had, and may then be called again.
   * `urls` are for people, most useful first.
   */
  listen(at: { host: string; port: number }): Promise<{ urls: string[]; port: number }>;
  /**
   * Tells clients to send no more requests on the connections that they have: two-step GOAWAY on HTTP/2 (idle
   * ones end at once), `Connection: close` with the next answer on HTTP/1.1, whose idle connections stay, since
   * a request that crosses with their end would be lost. Open requests go on. New connections are still
   * served, each until it has nothing open, so that clients can resume and cancel (DESIGN section 2, rule 18).
   * Repeating it is safe.
   */
  drain(): void;
  /**
   * Stops accepting, drains, ends idle HTTP/1.1 connections once they had `lingerTimeoutMs` since the drain began
   * to be told, waits up to `graceMs` for the open requests, then ends what is left. Resolves when no socket and
   * no timer remains, at the latest shortly after `graceMs`; never rejects. Called again with less grace, it
   * ends sooner.
   */
  close(within: { graceMs: number }): Promise<void>;
  /**
   * New connections get this certificate; those that are open go on. Throws, and keeps what it has, when the files
   * cannot be used, on a port without TLS, or when a client CA came or went.
   */
  setTls(files: TlsFiles): void;
  connections(): ConnectionCounts;
}

/** How long `close` waits, past its grace, for destroyed sessions to tell their clients. */
const lastGoawayTimeoutMs = 100;

/** A bound that is never met: destroyed sockets and streams report it within a turn of the event loop. */
const closeEventsTimeoutMs = 1_000;

/** Makes a listener that listens once. Throws when the certificate or its key cannot be used. */
export function createListener(options: ListenerOptions): Listener {
  const { handler, log, isOpenEnded = () => false } = options;
  const timeouts = { ...listenerTimeoutsDefault, ...options.timeouts };
  const limits = { ...listenerLimitsDefault, ...options.limits };
  const http1 = createHttp1Lane({ handler, timeouts, limits, log });
  const http2 = createHttp2Lane({ handler, isOpenEnded, timeouts, limits, log });
  const sockets = createOpenSet<Socket>();
  let servers: Server[] = [];
  let serversClosed: Promise<unknown> = Promise.resolve();
  let closing = false;
  let parted = false;
  let drainedSince: number | undefined;
  let refusedTotal = 0;

  const onDecided = (socket: Socket, version: "http1" | "http2"): void => {
    if (parted || socket.destroyed) socket.destroy();
    else (version === "http2" ? http2 : http1).accept(socket);
  };
  const tlsGate = options.tls && createTlsGate({ tls: options.tls, timeouts, onDecided });
  const decidePlain = (socket: Socket): void =>
    readFirstBytes(socket, timeouts.sniffTimeoutMs, httpVersionOf, (version) =>
      onDecided(socket, version),
    );

  const onConnection = (socket: Socket): void => {
    // A reset before another owner listens must not end the process; "close" follows every error.
    socket.on("error", () => {});
    if (sockets.size >= limits.connectionsMax) {
      refusedTotal += 1;
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    if (tlsGate) tlsGate.accept(socket);
    else decidePlain(socket);
  };

  const drain = (): void => {
    drainedSince ??= performance.now();
    void http1.drain();
    void http2.drain();
  };

  const part = (): void => {
    parted = true;
    http1.part();
    http2.part();
  };

  const destroyAll = async (): Promise<void> => {
    http1.destroy();
    http2.destroy();
    // A destroyed session still sends a last GOAWAY; a peer that does not take it is not waited for.
    await sockets.emptyWithin(lastGoawayTimeoutMs);
    for (const socket of sockets.list()) socket.destroy();
    await serversClosed;
    // Their "close" events come a moment later.
    await Promise.all(
      [sockets, http1, http2].map((open) => open.emptyWithin(closeEventsTimeoutMs)),
    );
  };

  return {
    async listen({ host, port }) {
      const bound = await bindAll(addressesOf(host), port, onConnection).catch((error: unknown) => {
        throw new ListenError(error as NodeJS.ErrnoException, host, port);
      });
      servers = bound.servers;
      for (const server of servers) {
        // Without a listener a failed accept (too many open files) would end the process.
        server.on("error", (error) => log.error({ err: error }, "cannot accept a connection"));
      }
      http1.start();
      http2.start();
      const scheme = options.tls === undefined ? "http" : "https";
      return { urls: urlsOf(scheme, host, bound.port), port: bound.port };
    },
    drain,
    async close({ graceMs }) {
      const end = performance.now() + graceMs;
      const left = (): number => Math.max(0, end - performance.now());
      if (!closing) serversClosed = Promise.all(servers.map(closeServer));
      closing = true;
      drain();
      // Idle HTTP/1.1 connections get this long to send a request, whose answer tells them to close.
      const lingered = performance.now() - (drainedSince ?? 0);
      const lingerMs = Math.min(left(), Math.max(0, timeouts.lingerTimeoutMs - lingered));
      await sockets.emptyWithin(lingerMs);
      part();
      await Promise.all([http1.emptyWithin(left()), http2.emptyWithin(left())]);
      await sockets.emptyWithin(Math.min(left(), timeouts.lingerTimeoutMs));
      await destroyAll();
    },
    setTls(files) {
      if (tlsGate === undefined) throw new Error("the port does not speak TLS");
      tlsGate.setFiles(files);
    },
    connections() {
      const http1Connections = http1.connections();
      const http2Sessions = http2.connections();
      return {
        sockets: sockets.size,
        undecided: Math.max(0, sockets.size - http1Connections - http2Sessions),
        http1Connections,
        http2Sessions,
        http1Requests: http1.requests(),
        http2Requests: http2.requests(),
        refusedTotal,
      };
    },
  };
}
