import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { BlockList, isIP } from "node:net";

/** What the guard looks at: HTTP/2's `:authority` or the Host header, the Origin header, and TLS or not. */
export type RequestFacts = {
  authority: string | undefined;
  origin: string | undefined;
  encrypted: boolean;
};

export type GuardDecision =
  | { allowed: true }
  | {
      allowed: false;
      reason: "HOST_MISSING" | "HOST_NOT_ALLOWED" | "ORIGIN_NOT_ALLOWED";
      /** For the person who meets it, with what to change. */
      message: string;
    };

export type RequestGuardOptions = {
  /** ALLOWED_HOSTS: `name` for any port, `name:port` for one. */
  allowedHosts: readonly string[];
  /** CORS_ORIGINS, each exactly as a browser sends it: `https://app.example`, no path. */
  corsOrigins: readonly string[];
  /**
   * The server listens on loopback and asks nobody who they are, so the browser's word on Host and Origin is all
   * that keeps other web pages out. When false, Host is still held to a non-empty `allowedHosts`; Origin is
   * left to CORS.
   */
  anonymousLoopback: boolean;
};

/** Decides whether a request may be served; pure, and the refusal is the caller's to write. */
export type RequestGuard = (facts: RequestFacts) => GuardDecision;

/**
 * Keeps web pages off a local server (DESIGN section 4). By DNS rebinding any page can make its own name
 * point to 127.0.0.1; the Host that the browser then sends gives it away. Throws on an entry of the options
 * that can match nothing.
 */
export function createRequestGuard(options: RequestGuardOptions): RequestGuard {
  const allowedHosts = options.allowedHosts.map(parseAllowedHost);
  const corsOrigins = new Set(options.corsOrigins.map(checkCorsOrigin));
  const isAllowedHost = ({ host, port }: Authority): boolean =>
    allowedHosts.some(
      (entry) => entry.host === host && (entry.port === undefined || entry.port === port),
    );

  return ({ authority, origin, encrypted }) => {
    if (!options.anonymousLoopback && allowedHosts.length === 0) return { allowed: true };
    if (authority === undefined || authority === "") return hostMissing;
    const own = parseAuthority(authority);
    if (own === undefined) return hostNotAllowed(authority);
    const isLoopback = isLoopbackHost(own.host);
    if (!isLoopback && !isAllowedHost(own)) return hostNotAllowed(authority);
    if (!options.anonymousLoopback || origin === undefined) return { allowed: true };
    if (corsOrigins.has(origin)) return { allowed: true };
    // A TLS proxy in front of us serves our page as https though this connection is plain.
    const schemes = encrypted ? ["https"] : isLoopback ? ["http"] : ["http", "https"];
    return isOwnOrigin(origin, own, schemes) ? { allowed: true } : originNotAllowed(origin);
  };
}

/** The guard's facts of a request of either HTTP version. */
export function requestFacts(request: IncomingMessage | Http2ServerRequest): RequestFacts {
  const { headers, socket } = request;
  return {
    authority: authorityOf(headers[":authority"], headers.host),
    origin: headers.origin,
    encrypted: "encrypted" in socket && socket.encrypted === true,
  };
}

/** Both where HTTP/2 names two that differ: that is no authority, whoever judged the other one before. */
function authorityOf(named: unknown, host: string | undefined): string | undefined {
  if (typeof named !== "string") return host;
  const isSame = host === undefined || host.toLowerCase() === named.toLowerCase();
  return isSame ? named : `${named}, ${host}`;
}

type Authority = { host: string; port: number | undefined };

/**
 * A host and port written the plain way; undefined for anything that URL parsers read differently from each
 * other: user info, paths, escapes, spaces, empty labels, empty or impossible ports.
 */
function parseAuthority(text: string): Authority | undefined {
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,254}))(?::(\d{1,5}))?$/i.exec(text);
  if (match === null) return undefined;
  const [, ipv6, name, portText] = match;
  const port = portText === undefined ? undefined : Number(portText);
  if (port !== undefined && port > 65_535) return undefined;
  if (ipv6 !== undefined) {
    return isIP(ipv6) === 6 ? { host: canonicalIpv6(ipv6), port } : undefined;
  }
  // One trailing dot only says that the name is complete.
  const host = (name ?? "").toLowerCase().replace(/\.$/, "");
  return host.split(".").includes("") ? undefined : { host, port };
}

function canonicalIpv6(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Names under `localhost` never leave the machine (RFC 6761 section 6.3), so they cannot be rebound. */
export function isLoopbackHost(host: string): boolean {
  const family = isIP(host);
  if (family !== 0) return loopback.check(host, family === 4 ? "ipv4" : "ipv6");
  return host === "localhost" || host.endsWith(".localhost");
}

const defaultPorts: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** The page came from this very host and port, over a scheme that this server can have answered. */
function isOwnOrigin(origin: string, own: Authority, schemes: readonly string[]): boolean {
  const [, scheme = "", rest = ""] = /^([a-z]+):\/\/(.*)$/.exec(origin) ?? [];
  const page = schemes.includes(scheme) ? parseAuthority(rest) : undefined;
  if (page === undefined || page.host !== own.host) return false;
  return (page.port ?? defaultPorts[scheme]) === (own.port ?? defaultPorts[scheme]);
}

function parseAllowedHost(entry: string): Authority {
  const authority = parseAuthority(entry);
  if (authority !== undefined) return authority;
  throw new Error(`ALLOWED_HOSTS: ${quote(entry)} is not a host name or host:port`);
}

function checkCorsOrigin(entry: string): string {
  if (/^[a-z][a-z0-9+.-]*:\/\/[^\s/,*]+$/.test(entry)) return entry;
  throw new Error(`CORS_ORIGINS: ${quote(entry)} is not an origin like https://app.example`);
}

const hostMissing: GuardDecision = {
  allowed: false,
  reason: "HOST_MISSING",
  message: "the request names no Host",
};

function hostNotAllowed(authority: string): GuardDecision {
  return {
    allowed: false,
    reason: "HOST_NOT_ALLOWED",
    message: `Host ${quote(authority)} is not this machine; to serve under that name, add it to ALLOWED_HOSTS`,
  };
}

function originNotAllowed(origin: string): GuardDecision {
  return {
    allowed: false,
    reason: "ORIGIN_NOT_ALLOWED",
    message: `pages of ${quote(origin)} may not call this server; to let them, add it to CORS_ORIGINS`,
  };
}

/** Somebody else's text, short and on one line. */
function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
