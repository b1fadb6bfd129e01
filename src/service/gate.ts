import { isIPv6 } from "node:net";
import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { Authenticator, ClientCertificate, Identity, Scope } from "../auth/authenticator.ts";
import { type CallerLimits, sharedCaller } from "../chat/caller.ts";
import { ChatError } from "../chat/errors.ts";
import { identityKey, requestIdKey } from "./caller.ts";
import { toConnectError } from "./convert-errors.ts";
import type { CredentialWatch } from "./credential-watch.ts";
import type { AdmitPublicStream } from "./public-streams.ts";
import { allows, type RpcAccess, rpcAccess, scopesFor } from "./scopes.ts";
import type { StreamCounts } from "./stream-counts.ts";

/** What the connection and its proxies tell of a caller. */
export type Peer = {
  /** The address that the call comes from, as far as TRUSTED_PROXIES say; empty when the connection is gone. */
  readonly address: string;
  readonly certificate: ClientCertificate | undefined;
  /** Whether the request came by a proxy, or under a name that is not this machine's own. */
  readonly isFromElsewhere: boolean;
};

/** A peer and the way to end its call; set by the mount. */
export type CallPeer = Peer & {
  /** Ends this call with its reason, a ConnectError. */
  readonly endCall: (reason: unknown) => void;
};

export const peerKey = createContextKey<CallPeer | undefined>(undefined, {
  description: "where the call comes from",
});

/** A caller whose credential was not accepted; for the log alone. */
export type AuthRefusal = {
  /** What was called: an RPC, or a page. */
  readonly path: string;
  readonly requestId: string;
  readonly address: string;
  /** Why, in words that hold nothing of the credential. */
  readonly cause: string;
};

export type GateOptions = {
  authenticator: Authenticator;
  /** Told of each refused credential. */
  onRefused: (refusal: AuthRefusal) => void;
  /** The server's own limits, where a caller has none of its own. */
  limits: CallerLimits;
  /** Ends the streams of credentials that are no longer good. */
  credentials: CredentialWatch;
  streams: StreamCounts;
  /** Asked for each stream of an RPC that needs no credential. */
  admitPublicStream: AdmitPublicStream;
};

/**
 * What runs before a request's body is read: who calls, whether they may call this RPC, and whether they may
 * have another stream. Throws ConnectError UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED, or UNAVAILABLE.
 */
export function createGate(options: GateOptions): (context: HandlerContext) => Promise<void> {
  return async (context) => {
    try {
      await admit(options, context);
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      if (error.kind === "unauthenticated") refused(options, context, error);
      throw toConnectError(error);
    }
  };
}

/**
 * What goes with the status 401 (RFC 9110 section 15.5.2), never what was wrong. gRPC and the streams of Connect have
 * no such status.
 */
export const authChallenge = 'Bearer realm="chatwire"';

function refused({ onRefused }: GateOptions, context: HandlerContext, error: ChatError): void {
  const { service, method, values } = context;
  const path = `/${service.typeName}/${method.name}`;
  const address = values.get(peerKey)?.address ?? "";
  onRefused({ path, requestId: values.get(requestIdKey), address, cause: causeOf(error) });
}

/** Why a credential was refused. Its error alone: what it may hold beside, such as a token's claims, is not told. */
export function causeOf({ cause }: ChatError): string {
  return cause instanceof Error ? cause.message : "";
}

async function admit(options: GateOptions, context: HandlerContext): Promise<void> {
  const { limits, credentials, streams } = options;
  const { service, method } = context;
  const access = rpcAccess[`${service.typeName}/${method.name}`];
  const isStream = method.methodKind !== "unary";
  if (access === "public") {
    if (isStream) options.admitPublicStream(context.signal);
    return;
  }
  const peer = context.values.get(peerKey);
  const authorization = context.requestHeader.get("authorization") ?? undefined;
  const accepted = await identify(options.authenticator, authorization, peer);
  // An RPC without a decision is nobody's.
  if (access === undefined || !allows(accepted.scopes, access)) throw scopeMissing(access);
  const identity = { ...accepted, limits: { ...limits, ...accepted.limits } };
  context.values.set(identityKey, identity);
  if (!isStream && !waitsForReply.has(method.name)) return;
  // Whether the server takes a new one is asked later: a resume is told by its request.
  streams.open(identity, context.signal);
  if (peer) credentials.watch(identity, peer.endCall, context.signal);
}

/** Unary calls that are as long as a reply. */
const waitsForReply: ReadonlySet<string> = new Set(["SendMessage"]);

/** Who a request comes from; what the authenticator throws for one that comes from nobody. */
export async function identify(
  authenticator: Authenticator,
  authorization: string | undefined,
  peer: Peer | undefined,
): Promise<Identity> {
  const certificate = peer?.certificate;
  const identity = await authenticator.authenticate({ authorization, certificate });
  const isShared = identity.isShared || peer?.isFromElsewhere === true;
  if (identity.method !== "anonymous" || !isShared) return identity;
  const scopes = new Set<Scope>(["chat"]);
  return { ...identity, ...sharedCaller(networkOf(peer?.address ?? "")), scopes };
}

/** What one subscriber usually has: an IPv4 address, or the first half of an IPv6 one (RFC 6177). */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = "", tail = ""] = address.split("%")[0]?.split("::") ?? [];
  const groups = head === "" ? [] : head.split(":");
  const known = groups.length + (tail === "" ? 0 : tail.split(":").length);
  const zeros = address.includes("::") ? Array.from({ length: 8 - known }, () => "0") : [];
  const all = [...groups, ...zeros, ...(tail === "" ? [] : tail.split(":"))];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}

/** The credential is good, and not for this. */
export function scopeMissing(access: RpcAccess | undefined): ChatError {
  const [scope] = access === undefined ? [] : scopesFor(access);
  const text = scope ? `this needs the scope "${scope}"` : "nobody may call this";
  return new ChatError("permission_denied", "SCOPE_MISSING", text, {
    metadata: scope ? { scope } : {},
  });
}
