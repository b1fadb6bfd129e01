import type { Socket } from "node:net";

/** What every HTTP/2 connection starts with (RFC 9113 section 3.4). */
const http2Preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** The type of a TLS record that carries a handshake (RFC 8446 section 5.1). */
const tlsHandshakeRecord = 0x16;

/**
 * Collects a socket's first bytes until `decide` knows what they are, puts them back and calls `decided`.
 * The bytes may come one at a time. A socket that stays undecided for `timeoutMs` is destroyed.
 */
export function readFirstBytes<Kind>(
  socket: Socket,
  timeoutMs: number,
  decide: (seen: Buffer) => Kind | undefined,
  decided: (kind: Kind) => void,
): void {
  let seen: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  const stopTimer = (): void => clearTimeout(timer);
  const onReadable = (): void => {
    for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
      seen = Buffer.concat([seen, chunk]);
    }
    if (seen.length === 0) return;
    const kind = decide(seen);
    if (kind === undefined) return;
    clearTimeout(timer);
    socket.off("close", stopTimer);
    socket.off("readable", onReadable);
    socket.unshift(seen);
    decided(kind);
  };
  socket.once("close", stopTimer);
  socket.on("readable", onReadable);
}

/** HTTP/2 once the whole preface is there; HTTP/1.1 as soon as a byte differs from it. */
export function httpVersionOf(seen: Buffer): "http1" | "http2" | undefined {
  const length = Math.min(seen.length, http2Preface.length);
  if (!seen.subarray(0, length).equals(http2Preface.subarray(0, length))) return "http1";
  return length === http2Preface.length ? "http2" : undefined;
}

export function isTlsHandshake(seen: Buffer): boolean {
  return seen[0] === tlsHandshakeRecord;
}
