import type { Caller } from "../chat/caller.ts";

/**
 * What a credential allows. `chat`: every RPC on the principal's own sessions. `read`: those that change
 * nothing. `metrics`: the page `/metrics` and the server's whole statistics.
 */
export type Scope = "chat" | "read" | "metrics";

/** Every scope, in the order in which they are listed. */
export const scopes: readonly Scope[] = ["chat", "read", "metrics"];

/** What a request shows of who sends it. */
export type Credentials = {
  /** The `authorization` header, as it came. */
  readonly authorization: string | undefined;
  /** The client's TLS certificate, once the handshake has checked it against TLS_CLIENT_CA_FILE. */
  readonly certificate: ClientCertificate | undefined;
};

/** A certificate that the TLS handshake has accepted. */
export type ClientCertificate = {
  /** The first URI of the subject's alternative names, else its first DNS name, else the common name. */
  readonly name: string;
  /** SHA-256 of the certificate, hexadecimal without colons. */
  readonly fingerprint: string;
  /** Milliseconds since 1970 UTC. */
  readonly validUntil: number;
};

/** A caller whose credentials were accepted. */
export type Identity = Caller & {
  readonly scopes: ReadonlySet<Scope>;
  readonly method: "key" | "token" | "certificate" | "anonymous";
  /** Names the credential in logs: a key's id. Never a secret; empty where there is none. */
  readonly credentialId: string;
  /**
   * Whether the credential is still good: neither expired, revoked nor removed. Cheap, and asked again and
   * again while a stream is open, which must not outlive its credential by more than 60 s.
   */
  isValid(): boolean;
};

/** Tells who calls. */
export interface Authenticator {
  /**
   * Accepts or refuses. Throws ChatError `unauthenticated` (UNAUTHENTICATED) for missing, malformed, unknown,
   * expired and revoked credentials alike, with one text, so that nobody learns which it was; `unavailable`
   * (AUTH_UNAVAILABLE, retryable) when the issuer's keys cannot be had. Repeating it does no harm.
   */
  authenticate(credentials: Credentials): Promise<Identity>;
  /** Stops watching files and fetching keys. Repeating it does nothing. */
  close(): void;
}
