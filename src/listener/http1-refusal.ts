import type { IncomingMessage } from "node:http";

/** The status of a request that is not served, and why, for the person who meets it. */
export type Http1Refusal = { status: 400 | 501 | 505; reason: string };

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
  if (countHosts(request) > 1) return { status: 400, reason: "there are two Host headers" };
  // Section 3.2.2: such an authority goes before Host, which access is decided by here.
  const [, authority] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url) ?? [];
  if (authority !== undefined && authority.toLowerCase() !== headers.host?.toLowerCase()) {
    return { status: 400, reason: "the request's target names another host than Host" };
  }
  return undefined;
}

/** Node keeps the first and drops the others. */
function countHosts({ rawHeaders }: IncomingMessage): number {
  return rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === "host")
    .length;
}
