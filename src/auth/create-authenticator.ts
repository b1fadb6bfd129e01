import type { Caller } from "../chat/caller.ts";
import { keyPrefix } from "./api-key.ts";
import {
  type Authenticator,
  type ClientCertificate,
  type Identity,
  type Scope,
  scopes,
} from "./authenticator.ts";
import { checkKey } from "./key-check.ts";
import { type KeyFile, openKeyFile } from "./key-file.ts";
import { nameProblem } from "./names.ts";
import { unauthenticated } from "./refusal.ts";
import { createTokenCheck, type TokenCheck, type TokenOptions } from "./token-check.ts";

export type AuthenticatorOptions = {
  /** AUTH_KEYS_FILE: the path of the file of keys. Without it every key is refused. */
  readonly keysFile?: string | undefined;
  /** The issuer whose tokens are accepted. Without it every token is refused. */
  readonly jwt?: TokenOptions | undefined;
  /** Whether a client's certificate tells who it is (TLS_CLIENT_CA_FILE). */
  readonly certificates: boolean;
  /** Who a caller without any credential is. Without it such a caller is refused. */
  readonly anonymous?: Caller | undefined;
  /** The wall clock, milliseconds since 1970 UTC. */
  readonly now: () => number;
  /** Told, in a sentence without secrets, what the operator has to mend. */
  readonly onProblem: (message: string) => void;
  /** Told how many keys there are after each change of the file. */
  readonly onKeysReload?: ((keys: number) => void) | undefined;
};

/** Longer names of certificates are refused, characters; a URI of SPIFFE is shorter. */
export const certificateNameCharactersMax = 255;

/**
 * Tells callers by `authorization: Bearer`, else by their certificate, else as anonymous where that is allowed. A
 * bearer that is sent and bad is refused whatever else would do: its sender believes to be somebody.
 *
 * Rejects with KeyFileError when the file of keys cannot be used, and with Error for a URL that cannot.
 */
export async function createAuthenticator(options: AuthenticatorOptions): Promise<Authenticator> {
  const { now, onProblem } = options;
  const keys =
    options.keysFile === undefined
      ? undefined
      : await openKeyFile({ path: options.keysFile, onProblem, onReload: options.onKeysReload });
  let tokens: TokenCheck | undefined;
  try {
    tokens = options.jwt && createTokenCheck({ ...options.jwt, now, onProblem });
  } catch (error) {
    keys?.close();
    throw error;
  }
  return {
    async authenticate({ authorization, certificate }) {
      if (authorization !== undefined) {
        const bearer = bearerOf(authorization);
        if (!bearer.startsWith(keyPrefix)) return checkToken(bearer, tokens);
        return checkKey(bearer, keys ?? noKeys, now);
      }
      if (options.certificates && certificate) return checkCertificate(certificate, now);
      if (options.anonymous) return toAnonymous(options.anonymous);
      throw unauthenticated(new Error("there is no credential"));
    },
    close() {
      keys?.close();
      tokens?.close();
    },
  };
}

const noKeys: KeyFile = { find: () => undefined, close: () => {} };

/** The longest header that is looked at, characters. */
const headerCharactersMax = 9 * 1024;

/** What follows the scheme (RFC 6750 section 2.1, RFC 9110 section 11.1: its case does not count). */
function bearerOf(authorization: string): string {
  if (authorization.length > headerCharactersMax)
    throw unauthenticated(new Error("a header too long"));
  const [, bearer] = /^bearer +([\w.~+/-]+=*) *$/i.exec(authorization) ?? [];
  if (bearer === undefined) throw unauthenticated(new Error("the header is no Bearer"));
  return bearer;
}

async function checkToken(bearer: string, tokens: TokenCheck | undefined): Promise<Identity> {
  if (tokens === undefined) throw unauthenticated(new Error("no issuer's tokens are accepted"));
  return tokens.check(bearer);
}

/** The handshake has checked the certificate; what may have changed since is the time. */
function checkCertificate(certificate: ClientCertificate, now: () => number): Identity {
  const { name, fingerprint, validUntil } = certificate;
  const problem = nameProblem(name, certificateNameCharactersMax);
  if (problem !== undefined) throw unauthenticated(new Error(`the certificate's name ${problem}`));
  const isValid = () => now() < validUntil;
  if (!isValid()) throw unauthenticated(new Error("the certificate has expired"));
  const principal = `cert:${name}`;
  return {
    principal,
    isShared: false,
    rateKey: principal,
    limits: {},
    scopes: new Set<Scope>(["chat"]),
    method: "certificate",
    credentialId: fingerprint,
    isValid,
  };
}

/** On a server that only its own machine reaches, whoever is there may do everything; others may chat. */
function toAnonymous(caller: Caller): Identity {
  return {
    ...caller,
    scopes: new Set<Scope>(caller.isShared ? ["chat"] : scopes),
    method: "anonymous",
    credentialId: "",
    isValid: () => true,
  };
}
