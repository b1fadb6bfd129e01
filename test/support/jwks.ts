import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";

/** A key pair of the issuer; `jwk` is its public half, as published. */
export type IssuerKey = {
  readonly kid: string;
  readonly alg: string;
  readonly publicKey: CryptoKey;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
};

/** An issuer of tokens with its key set on a real server. */
export type TestIssuer = {
  readonly jwksUrl: string;
  readonly issuer: string;
  readonly audience: string;
  /** How often the key set was asked for. */
  requests(): number;
  /** Resolves when it has been asked for `count` times. */
  until(count: number): Promise<void>;
  /** What it answers with from now on. */
  publish(...keys: readonly IssuerKey[]): void;
  answer(respond: (response: ServerResponse) => void): void;
};

/** Starts an issuer that publishes nothing yet; it is closed after the test. */
export async function startIssuer(t: TestContext): Promise<TestIssuer> {
  let requests = 0;
  let respond = publisher([]);
  const asked = new EventTarget();
  const server = createServer((_request, response) => {
    requests += 1;
    respond(response);
    asked.dispatchEvent(new Event("asked"));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(async () => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  });
  const { port } = server.address() as AddressInfo;
  return {
    jwksUrl: `http://127.0.0.1:${port}/jwks.json`,
    issuer: "https://issuer.test/",
    audience: "chatwire",
    requests: () => requests,
    async until(count) {
      while (requests < count) await once(asked, "asked", { signal: t.signal });
    },
    publish(...keys) {
      respond = publisher(keys);
    },
    answer(next) {
      respond = next;
    },
  };
}

function publisher(keys: readonly IssuerKey[]): (response: ServerResponse) => void {
  return (response) => {
    response.setHeader("content-type", "application/jwk-set+json");
    response.end(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
  };
}

export async function createIssuerKey(kid: string, alg = "ES256"): Promise<IssuerKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: "sig" };
  return { kid, alg, publicKey, privateKey, jwk };
}

export type TokenParts = {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
};

/**
 * A token of that issuer for `alice`, good from `nowMs` on for 10 minutes; a claim or a header field that is
 * undefined is left out.
 */
export function signToken(
  { issuer, audience }: Pick<TestIssuer, "issuer" | "audience">,
  { privateKey, alg, kid }: IssuerKey,
  nowMs: number,
  { claims, header }: TokenParts = {},
): Promise<string> {
  const exp = Math.floor(nowMs / 1000) + 600;
  const payload = { iss: issuer, aud: audience, sub: "alice", exp, ...claims };
  return new SignJWT(payload)
    .setProtectedHeader(JSON.parse(JSON.stringify({ alg, kid, ...header })))
    .sign(privateKey);
}
