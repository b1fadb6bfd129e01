import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";

/** The status of a request that is not served, and why, for the person who meets it. */
export type Http1Refusal = {
  status: 400 | 408 | 413 | 417 | 431 | 501 | 505;
  reason: string;
};

/** On every refusal: it is for one person, and no cache keeps it. */
export const refusalHeaders = {
  "cache-control": "private, no-store",
  "content-type": "text/plain; charset=utf-8",
  "x-content-type-options": "nosniff",
} as const;

/**
 * What RFC 9112 has a server refuse and Node's parser lets pass. A proxy in front may read each of these otherwise
 * than we do, and take two requests for one, or one host for another. Undefined when nothing is wrong.
 */
export function http1RefusalOf(request: IncomingMessage): Http1Refusal | undefined {
  const { headers, httpVersionMajor, url = "" } = request;
  if (httpVersionMajor !== 1) {
    return { status: 505, reason: "HTTP/1.1 or HTTP/2 with its preface, please" };
  }
  // Section 6.1: a coding that the server does not know. Node takes a list for chunked if it ends with it.
  const coding = headers["transfer-encoding"];
  if (coding !== undefined && coding.toLowerCase() !== "chunked") {
    return { status: 501, reason: "the only transfer coding here is chunked" };
  }
  const hosts = countHosts(request);
  if (hosts > 1) return { status: 400, reason: "there are two Host headers" };
  // Section 3.2; HTTP/1.0 has no Host.
  if (hosts === 0 && request.httpVersion !== "1.0") {
    return { status: 400, reason: "there is no Host header" };
  }
  // Section 3.2.2: such an authority goes before Host, which access is decided by here.
  const [, authority] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url) ?? [];
  if (authority !== undefined && authority.toLowerCase() !== headers.host?.toLowerCase()) {
    return { status: 400, reason: "the request's target names another host than Host" };
  }
  return undefined;
}

/** RFC 9110 section 10.1.1: an expectation that nobody here meets. */
export const expectationUnknown: Http1Refusal = {
  status: 417,
  reason: "the only expectation here is 100-continue",
};

/** Why Node's parser or its timers gave a connection up, by the code of its error. */
export function http1FaultOf({ code }: NodeJS.ErrnoException): Http1Refusal {
  return faults[code ?? ""] ?? { status: 400, reason: "this is no HTTP request" };
}

const faults: Readonly<Record<string, Http1Refusal>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, reason: "the request did not come in time" },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413, reason: "the chunk extensions are too long" },
  HPE_HEADER_OVERFLOW: { status: 431, reason: "the headers are too long" },
};

/** Writes a refusal where there is no request to answer; to close the connection behind it is the caller's. */
export function writeRefusal(socket: Socket, { status, reason }: Http1Refusal): void {
  const body = `${reason}\n`;
  const headers = { ...refusalHeaders, "content-length": body.length, connection: "close" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}`);
}

/** Node keeps the first and drops the others. */
function countHosts({ rawHeaders }: IncomingMessage): number {
  return rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === "host")
    .length;
}
