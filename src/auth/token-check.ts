import { createHash } from "node:crypto";
import { type CryptoKey, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from "jose";
import { ChatError } from "../chat/errors.ts";
import { type Identity, type Scope, scopes } from "./authenticator.ts";
import { createIssuerKeys, type Fetch } from "./issuer-keys.ts";
import { nameProblem } from "./names.ts";
import { unauthenticated } from "./refusal.ts";

export type TokenOptions = {
  /** AUTH_JWKS_URL: http or https, without user and password. */
  readonly jwksUrl: string;
  /** AUTH_ISSUER: what `iss` must be, exactly. */
  readonly issuer: string;
  /** AUTH_AUDIENCE: what `aud` must be or contain. */
  readonly audience: string;
  /** What the issuer's keys are fetched with, should the standard fetch not do (proxies). */
  readonly fetch?: Fetch | undefined;
};

export type TokenCheckOptions = TokenOptions & {
  /** Milliseconds since 1970 UTC. */
  readonly now: () => number;
  readonly onProblem: (message: string) => void;
};

/** Accepts and refuses the tokens of one issuer. */
export type TokenCheck = {
  /** Throws ChatError `unauthenticated` or, while the issuer's keys cannot be had, AUTH_UNAVAILABLE. */
  check(token: string): Promise<Identity>;
  /** Stops fetching keys. Repeating it does nothing. */
  close(): void;
};

/**
 * Signatures by a private key alone (RFC 8725 section 3.1): with HS* the public key would be the secret, and `none`
 * is no signature. `EdDSA` and `Ed25519` are one algorithm with two names (RFC 9864).
 */
export const algorithms: readonly string[] =
  "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519".split(" ");

/** How far the issuer's clock may be from ours, seconds. */
export const clockToleranceS = 30;
/** The longest token that is looked at, characters; Node's own bound for all headers is 16 KiB. */
export const tokenCharactersMax = 8 * 1024;
/** OpenID Connect Core section 2: a `sub` has at most 255 characters. */
export const subjectCharactersMax = 255;
/** Verified tokens that are remembered. */
const rememberedMax = 10_000;
/** How many keys of one name are tried; issuers should have one of each (RFC 7517 section 4.5). */
const sameNameMax = 4;

/** Kinds of token that are no access or identity token have other types (RFC 8725 section 3.11). */
const types: ReadonlySet<string> = new Set(["jwt", "at+jwt"]);

/**
 * Checks JWTs (RFC 7519) of one issuer: signature, `iss`, `aud`, `exp` and `sub` are required, `nbf` counts.
 *
 * What was verified is remembered by the token's SHA-256 until it expires or the issuer's keys change: measured on
 * Node 26, a call costs 3 to 5 µs then instead of 70 (RS256) to 180 (EdDSA), and waits for no other thread.
 *
 * Throws Error when the URL cannot be used.
 */
export function createTokenCheck(options: TokenCheckOptions): TokenCheck {
  const { now } = options;
  const remembered = new Map<string, Identity>();
  let generation = 0;
  const keys = createIssuerKeys({
    ...options,
    url: parseJwksUrl(options.jwksUrl),
    onChange() {
      generation += 1;
      remembered.clear();
    },
  });
  // So that the first call need not wait, and the operator hears of a wrong URL at the start.
  void keys.refresh();

  function recall(digest: string): Identity | undefined {
    const identity = remembered.get(digest);
    if (identity === undefined) return undefined;
    remembered.delete(digest);
    if (!identity.isValid() || !keys.isFresh()) return undefined;
    // The last one used is the last in the map.
    remembered.set(digest, identity);
    return identity;
  }

  function remember(digest: string, identity: Identity): void {
    remembered.set(digest, identity);
    const [oldest] = remembered.keys();
    if (remembered.size > rememberedMax && oldest !== undefined) remembered.delete(oldest);
  }

  async function verify(token: string): Promise<JWTPayload> {
    const { payload, protectedHeader } = await verifySignature(token, keys.find, {
      algorithms: [...algorithms],
      issuer: options.issuer,
      audience: options.audience,
      clockTolerance: clockToleranceS,
      currentDate: new Date(now()),
      requiredClaims: ["exp", "sub"],
    });
    const type = (protectedHeader.typ ?? "JWT").toLowerCase().replace(/^application\//, "");
    if (!types.has(type)) throw new Error("the token is of another type");
    return payload;
  }

  return {
    async check(token) {
      if (token.length > tokenCharactersMax) throw unauthenticated(new Error("a token too long"));
      const digest = createHash("sha256").update(token).digest("base64");
      const known = recall(digest);
      if (known !== undefined) return known;
      const before = generation;
      try {
        const identity = toIdentity(await verify(token), now);
        // With keys that have changed meanwhile nobody can say which of them it was verified with.
        if (generation === before) remember(digest, identity);
        return identity;
      } catch (error) {
        throw error instanceof ChatError ? error : unauthenticated(error);
      }
    },
    close: keys.close,
  };
}

type FindKey = ReturnType<typeof createIssuerKeys>["find"];

/** Verifies by the key that the token names, or by any of the few that share its name. */
async function verifySignature(token: string, find: FindKey, options: JWTVerifyOptions) {
  let tried = 0;
  try {
    return await jwtVerify(token, find, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error as AsyncIterable<CryptoKey>) {
      tried += 1;
      if (tried > sameNameMax) break;
      try {
        return await jwtVerify(token, key, options);
      } catch (mismatch) {
        if (!(mismatch instanceof errors.JWSSignatureVerificationFailed)) throw mismatch;
      }
    }
    throw error;
  }
}

function toIdentity(claims: JWTPayload, now: () => number): Identity {
  const { sub, exp } = claims;
  const problem = nameProblem(sub, subjectCharactersMax);
  if (problem !== undefined) throw new Error(`sub: ${problem}`);
  const validUntil = ((exp ?? 0) + clockToleranceS) * 1000;
  const principal = `jwt:${sub}`;
  return {
    principal,
    isShared: false,
    rateKey: principal,
    limits: {},
    scopes: scopesOf(claims.scope),
    method: "token",
    credentialId: "",
    isValid: () => now() < validUntil,
  };
}

/**
 * What the `scope` claim (RFC 8693 section 4.2: words between spaces; some issuers send a list) allows. Ours are
 * `chatwire:chat`, `chatwire:read` and `chatwire:metrics`. A token that speaks of chatwire may do what it says and
 * nothing else, one that does not may chat: many issuers know no scopes.
 */
function scopesOf(claim: unknown): ReadonlySet<Scope> {
  const prefix = "chatwire:";
  const words = typeof claim === "string" ? claim.split(" ") : (claim ?? []);
  if (!Array.isArray(words) || !words.every((word) => typeof word === "string")) {
    throw new Error("scope: must be text");
  }
  const ours = words.filter((word) => word.startsWith(prefix));
  if (ours.length === 0) return new Set<Scope>(["chat"]);
  return new Set(scopes.filter((scope) => ours.includes(prefix + scope)));
}

function parseJwksUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new Error("AUTH_JWKS_URL must be a URL that begins with https:// or http://");
  }
  if (url.username !== "" || url.password !== "") {
    throw new Error("AUTH_JWKS_URL must have no user and no password");
  }
  return url;
}
