import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import {
  CompactEncrypt,
  CompactSign,
  exportSPKI,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from "jose";
import { clockToleranceS, createTokenCheck } from "../../../src/auth/token-check.ts";
import { ChatError } from "../../../src/chat/errors.ts";
import {
  createIssuerKey,
  type IssuerKey,
  signToken,
  startIssuer,
  type TokenParts,
} from "../../support/jwks.ts";

const startMs = Date.UTC(2026, 5, 1);
const inSeconds = (seconds: number) => startMs / 1000 + seconds;

/** An issuer with one key, and the check of its tokens. */
async function start(t: TestContext, alg = "ES256") {
  const issuer = await startIssuer(t);
  const key = await createIssuerKey("first", alg);
  issuer.publish(key);
  const problems: string[] = [];
  let nowMs = startMs;
  const tokens = createTokenCheck({
    jwksUrl: issuer.jwksUrl,
    issuer: issuer.issuer,
    audience: issuer.audience,
    now: () => nowMs,
    onProblem: (message) => problems.push(message),
  });
  t.after(tokens.close);
  return {
    issuer,
    key,
    problems,
    check: tokens.check,
    sign: (parts?: TokenParts, by: IssuerKey = key) => signToken(issuer, by, startMs, parts),
    at(ms: number) {
      nowMs = ms;
    },
  };
}

async function assertRefused(work: Promise<unknown>, what = "it"): Promise<ChatError> {
  const error: unknown = await work.then(
    () => assert.fail(`${what} was accepted`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ChatError, `${what}: ${String(error)}`);
  assert.equal(error.reason, "UNAUTHENTICATED", what);
  assert.equal(error.kind, "unauthenticated", what);
  return error;
}

describe("checking a token", { timeout: 60_000 }, () => {
  for (const alg of ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]) {
    test(`accepts ${alg}`, async (t) => {
      const { check, sign } = await start(t, alg);
      const { isValid, ...identity } = await check(await sign());
      assert.deepEqual(identity, {
        principal: "jwt:alice",
        isShared: false,
        rateKey: "jwt:alice",
        limits: {},
        scopes: new Set(["chat"]),
        method: "token",
        credentialId: "",
      });
      assert.equal(isValid(), true);
    });
  }

  test("takes no shared secret and no missing signature for one", async (t) => {
    const { check, key, issuer } = await start(t, "RS256");
    const claims: JWTPayload = {
      iss: issuer.issuer,
      aud: issuer.audience,
      sub: "alice",
      exp: inSeconds(600),
    };
    const publicPem = await exportSPKI(key.publicKey);
    for (const secret of [publicPem, publicPem.trim(), JSON.stringify(key.jwk), key.jwk.n ?? ""]) {
      const token = new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: key.kid });
      await assertRefused(check(await token.sign(Buffer.from(secret))), "HS256");
    }
    const unsecured = new UnsecuredJWT(claims).encode();
    await assertRefused(check(unsecured), "none");
    const [, payload, signature] = (await signToken(issuer, key, startMs)).split(".");
    for (const alg of ["none", "None", "NONE", "", "HS256", "ES256", "RS512", null, 5]) {
      const header = Buffer.from(JSON.stringify({ alg, kid: key.kid })).toString("base64url");
      await assertRefused(check(`${header}.${payload}.${signature}`), `alg ${alg}`);
      await assertRefused(check(`${header}.${payload}.`), `alg ${alg} without signature`);
    }
  });

  test("takes no algorithm that is not on the list, although the issuer has a key of it", async (t) => {
    const { check, sign } = await start(t, "ML-DSA-44");
    await assertRefused(check(await sign()), "ML-DSA-44");
  });

  test("takes no key from the token itself", async (t) => {
    const { check, sign, issuer } = await start(t);
    const mine = await createIssuerKey("first");
    const urls = { jku: "http://127.0.0.1:9/", x5u: "http://127.0.0.1:9/" };
    for (const header of [{ jwk: mine.jwk }, urls, { kid: undefined, jwk: mine.jwk }]) {
      await assertRefused(check(await sign({ header }, mine)), JSON.stringify(header));
    }
    assert.equal(issuer.requests(), 1);
  });

  test("a token for others, of others or out of its time is refused in the same words", async (t) => {
    const { check, sign } = await start(t);
    const wrong: Readonly<Record<string, unknown>>[] = [
      { aud: "others" },
      { aud: [] },
      { aud: undefined },
      { iss: "https://issuer.test" },
      { iss: undefined },
      { exp: undefined },
      { exp: "tomorrow" },
      { exp: inSeconds(-clockToleranceS) },
      { nbf: inSeconds(clockToleranceS + 1) },
      { sub: undefined },
      { sub: "" },
      { sub: 7 },
      { sub: "a".repeat(256) },
      { sub: "line\nfeed" },
      { sub: "half \uD800" },
      { scope: 5 },
      { scope: [5] },
    ];
    const messages = new Set<string>();
    for (const claims of wrong) {
      const error = await assertRefused(check(await sign({ claims })), JSON.stringify(claims));
      messages.add(error.message);
    }
    for (const typ of ["logout+jwt", "dpop+jwt", "JOSE"]) {
      messages.add((await assertRefused(check(await sign({ header: { typ } })), typ)).message);
    }
    messages.add((await assertRefused(check("nonsense"))).message);
    assert.equal(messages.size, 1);
    for (const claims of [
      { aud: ["others", "chatwire"] },
      { exp: inSeconds(-clockToleranceS + 1) },
      { nbf: inSeconds(clockToleranceS) },
      { sub: "a".repeat(255) },
    ]) {
      assert.ok(await check(await sign({ claims })), JSON.stringify(claims));
    }
    for (const typ of ["JWT", "jwt", "at+jwt", "application/at+jwt"]) {
      assert.ok(await check(await sign({ header: { typ } })), typ);
    }
  });

  test("text that is no token is refused before a key is asked for", async (t) => {
    const { check, sign, issuer } = await start(t);
    const token = await sign();
    const [header, payload, signature] = token.split(".");
    await issuer.until(1);
    const { publicKey } = await generateKeyPair("RSA-OAEP-256");
    const encrypted = await new CompactEncrypt(Buffer.from(token))
      .setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A256GCM", cty: "JWT" })
      .encrypt(publicKey);
    const unencoded = await signToken(issuer, await createIssuerKey("first"), startMs, {
      header: { b64: false },
    }).catch(() => "a.b.c");
    const notAnObject = await new CompactSign(Buffer.from("[1]"))
      .setProtectedHeader({ alg: "ES256", kid: "first" })
      .sign((await createIssuerKey("first")).privateKey);
    for (const text of [
      "",
      ".",
      "..",
      "a.b.c",
      encrypted,
      unencoded,
      notAnObject,
      `${header}.${payload}`,
      `${token}.`,
      `${header}.${payload}x.${signature}`,
      `${header}.${payload}.${signature?.slice(0, -2)}`,
      `${Buffer.from('{"alg":"ES256","crit":["x"],"x":1,"kid":"first"}').toString("base64url")}.${payload}.${signature}`,
    ]) {
      await assertRefused(check(text), text);
    }
    assert.equal(issuer.requests(), 1);
  });

  test("a token of more than 8,192 characters is not looked at", async (t) => {
    const { check, sign } = await start(t);
    const long = (await sign()).length;
    const room = Math.floor(((8_192 - long) * 3) / 4) - 20;
    assert.ok(await check(await sign({ claims: { padding: "x".repeat(room) } })));
    await assertRefused(check(await sign({ claims: { padding: "x".repeat(room + 40) } })));
    await assertRefused(check("e".repeat(10_000_000)));
  });

  test("scopes are those that the token names, and chat where it knows none of ours", async (t) => {
    const { check, sign } = await start(t);
    for (const [scope, expected] of [
      [undefined, ["chat"]],
      ["", ["chat"]],
      ["openid profile chat metrics", ["chat"]],
      ["openid chatwire:read", ["read"]],
      ["chatwire:metrics chatwire:chat chatwire:chat", ["chat", "metrics"]],
      [["chatwire:read"], ["read"]],
      ["chatwire:raed", []],
      ["chatwire:", []],
      ["xchatwire:read", ["chat"]],
    ] as const) {
      const { scopes } = await check(await sign({ claims: { scope } }));
      assert.deepEqual([...scopes], expected, JSON.stringify(scope));
    }
  });

  test("an identity is good until its token expires, 30 s more for the clocks", async (t) => {
    const { check, sign, at } = await start(t);
    const token = await sign();
    const { isValid } = await check(token);
    at(startMs + 630_000 - 1);
    assert.equal(isValid(), true);
    assert.ok(await check(token));
    at(startMs + 630_000);
    assert.equal(isValid(), false);
    await assertRefused(check(token));
  });

  test("a token is verified once, and once more when the issuer's keys have changed", async (t) => {
    const { check, sign, issuer, key, at } = await start(t);
    const token = await sign({ claims: { exp: inSeconds(3_600) } });
    await check(await sign());
    const first = await check(token);
    assert.equal(await check(token), first);
    // The issuer drops the key; a known token makes us ask when the set is 5 minutes old.
    issuer.publish(await createIssuerKey("second"));
    at(startMs + 5 * 60_000);
    assert.equal(await check(token), first);
    const isAccepted = () => check(token).then(Boolean, () => false);
    while (await isAccepted()) await setImmediate();
    await assertRefused(check(token));
    assert.equal(issuer.requests(), 2);
    issuer.publish(key);
    at(startMs + 11 * 60_000);
    const again = await check(token);
    assert.notEqual(again, first);
    assert.equal(again.principal, first.principal);
  });
});
