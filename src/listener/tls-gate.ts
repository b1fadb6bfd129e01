import type { Socket } from "node:net";
import tls, { type SecureContextOptions, type TLSSocket } from "node:tls";
import { readCertificates } from "./certificates.ts";
import { httpVersionOf, isTlsHandshake, readFirstBytes } from "./first-bytes.ts";
import { writeRefusal } from "./http1-refusal.ts";
import type { ListenerTimeouts, TlsFiles } from "./options.ts";

/** What TLS 1.2 may use: forward secret and authenticated only, as HTTP/2 asks (RFC 9113 section 9.2.2). */
const ciphers = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

export type TlsGateOptions = {
  tls: TlsFiles;
  timeouts: ListenerTimeouts;
  /** A socket whose handshake is done and whose HTTP version is known. */
  onDecided: (socket: TLSSocket, version: "http1" | "http2") => void;
};

/** The TLS side of the port. */
export type TlsGate = {
  /** Takes a socket that has just been accepted. */
  accept(socket: Socket): void;
  /**
   * Handshakes from now on use these; connections go on. Throws, and changes nothing, when they cannot be used,
   * or when a client CA came or went: whether clients must show a certificate is decided once.
   */
  setFiles(files: TlsFiles): void;
};

/**
 * The HTTP version is the one that ALPN chose; for a client without ALPN its first bytes tell. A plaintext client
 * gets an HTTP/1.1 400 in words. With `clientCa` a client without a valid certificate ends in the handshake.
 * Throws when the files cannot be used.
 */
export function createTlsGate(options: TlsGateOptions): TlsGate {
  const { timeouts, onDecided } = options;
  const asksClients = options.tls.clientCa !== undefined;
  const server = tls.createServer({
    ...contextOptions(options.tls),
    requestCert: asksClients,
    rejectUnauthorized: asksClients,
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: timeouts.handshakeTimeoutMs,
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    readFirstBytes(
      socket,
      timeouts.sniffTimeoutMs,
      (seen) => versionByAlpn(socket) ?? httpVersionOf(seen),
      (version) => {
        // http2 refuses a TLS socket without this, though its client has just sent the HTTP/2 preface.
        if (version === "http2") socket.alpnProtocol = "h2";
        onDecided(socket, version);
      },
    );
  });
  return {
    accept(socket) {
      readFirstBytes(socket, timeouts.sniffTimeoutMs, isTlsHandshake, (isTls) => {
        if (isTls) server.emit("connection", socket);
        else refusePlaintext(socket, timeouts.lingerTimeoutMs);
      });
    },
    setFiles(files) {
      if ((files.clientCa !== undefined) !== asksClients) {
        throw new Error(
          "whether clients must show a certificate cannot change while the port is open",
        );
      }
      const next = contextOptions(files);
      // Node changes the server's properties before it finds out that they do not fit.
      tls.createSecureContext(next);
      // A new context has new ticket keys: nobody resumes a session that the old CA had let in.
      server.setSecureContext(next);
    },
  };
}

/** Throws when the files cannot be used. */
function contextOptions({ cert, key, clientCa }: TlsFiles): SecureContextOptions {
  // OpenSSL would take text without a certificate for "no CA", and then trust nobody.
  if (clientCa !== undefined) readCertificates(clientCa);
  return { cert, key, minVersion: "TLSv1.2", ciphers, ...(clientCa && { ca: clientCa }) };
}

function versionByAlpn(socket: TLSSocket): "http1" | "http2" | undefined {
  if (socket.alpnProtocol === "h2") return "http2";
  return socket.alpnProtocol === "http/1.1" ? "http1" : undefined;
}

/** gRPC clients cannot read it either, but they report that an HTTP/1.x server answered. */
function refusePlaintext(socket: Socket, lingerTimeoutMs: number): void {
  const reason = "This port speaks TLS: use https:// or, for gRPC, TLS channel credentials.";
  writeRefusal(socket, { status: 400, reason });
  socket.end();
  // What the client still sends is discarded: closing on it at once would reset the answer away.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lingerTimeoutMs);
  socket.once("close", () => clearTimeout(timer));
}
