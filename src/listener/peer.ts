import type { X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { namesOf } from "./certificates.ts";

/** Who is at the other end of a request's connection, as far as the connection tells. */
export type Peer = {
  /** Its IP address; behind a proxy the proxy's. Undefined when the connection is gone. */
  address: string | undefined;
  encrypted: boolean;
  /** Only with a client CA, and then always: the handshake has checked it. */
  certificate?: PeerCertificate;
};

export type PeerCertificate = {
  /**
   * Whose it is: `URI:spiffe://example.org/billing`, else `DNS:billing.example.org`, else `email:…`, else
   * `CN:billing`, else `SHA256:` and the fingerprint. The first name of the kind where it has several. The kind is
   * part of it, so that no name passes for one of another kind.
   */
  subject: string;
  /** SHA-256 of the certificate, `AB:CD:…`. */
  fingerprint256: string;
  /** Milliseconds since 1970. The handshake has seen to it once; a long connection may outlive it. */
  validUntil: number;
};

/** The peer of a request of either HTTP version. What is read of a certificate is kept with its connection. */
export function peerOf(request: IncomingMessage | Http2ServerRequest): Peer {
  const socket = socketOf(request);
  if (socket === undefined) return { address: undefined, encrypted: false };
  if (!isTls(socket)) return { address: socket.remoteAddress, encrypted: false };
  const certificate = certificateOf(socket);
  return { address: socket.remoteAddress, encrypted: true, ...(certificate && { certificate }) };
}

/** On HTTP/2 the session's; undefined once that has ended. */
function socketOf(request: IncomingMessage | Http2ServerRequest): Socket | undefined {
  if (!("stream" in request)) return request.socket;
  const { session } = request.stream;
  return session === undefined || session.destroyed ? undefined : session.socket;
}

function isTls(socket: Socket): socket is TLSSocket {
  return "encrypted" in socket && socket.encrypted === true;
}

/** By socket, or what HTTP/2 gives for it: one object for each session. */
const known = new WeakMap<TLSSocket, PeerCertificate>();

function certificateOf(socket: TLSSocket): PeerCertificate | undefined {
  const before = known.get(socket);
  if (before !== undefined) return before;
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined) return undefined;
  const described = describe(certificate);
  known.set(socket, described);
  return described;
}

function describe(certificate: X509Certificate): PeerCertificate {
  const { fingerprint256, validToDate } = certificate;
  return { subject: subjectOf(certificate), fingerprint256, validUntil: validToDate.getTime() };
}

function subjectOf(certificate: X509Certificate): string {
  const { uris, dnsNames, emails, commonName } = namesOf(certificate);
  const named = [
    ["URI", uris[0]],
    ["DNS", dnsNames[0]],
    ["email", emails[0]],
    ["CN", commonName],
  ].find(([, name]) => name !== undefined && name !== "");
  return (named ?? ["SHA256", certificate.fingerprint256]).join(":");
}
