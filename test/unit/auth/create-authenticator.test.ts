import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import type { ClientCertificate, Identity } from "../../../src/auth/authenticator.ts";
import {
  type AuthenticatorOptions,
  createAuthenticator,
} from "../../../src/auth/create-authenticator.ts";
import { KeyFileError } from "../../../src/auth/key-list.ts";
import { localCaller, sharedCaller } from "../../../src/chat/caller.ts";
import { ChatError } from "../../../src/chat/errors.ts";
import { createIssuerKey, signToken, startIssuer } from "../../support/jwks.ts";
import { createKeyFolder, createTestKey, writeKeys } from "../../support/keys.ts";

const startMs = Date.UTC(2026, 5, 1);
const certificate: ClientCertificate = {
  name: "spiffe://test/worker",
  fingerprint: "ab".repeat(32),
  validUntil: startMs + 1_000,
};

async function start(t: TestContext, options: Partial<AuthenticatorOptions> = {}) {
  let nowMs = startMs;
  const authenticator = await createAuthenticator({
    certificates: false,
    now: () => nowMs,
    onProblem: assert.fail,
    ...options,
  });
  t.after(authenticator.close);
  return {
    authenticate: (authorization?: string, shown?: ClientCertificate): Promise<Identity> =>
      authenticator.authenticate({ authorization, certificate: shown }),
    close: authenticator.close,
    at(ms: number) {
      nowMs = ms;
    },
  };
}

async function assertRefused(work: Promise<unknown>, what = "it"): Promise<string> {
  const error: unknown = await work.then(
    () => assert.fail(`${what} was accepted`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ChatError, `${what}: ${String(error)}`);
  assert.deepEqual([error.kind, error.reason], ["unauthenticated", "UNAUTHENTICATED"], what);
  assert.equal(error.retryAfterMs, undefined);
  assert.deepEqual(error.metadata, {});
  return error.message;
}

describe("the authenticator", { timeout: 60_000 }, () => {
  test("keys and tokens come as Bearer, however the scheme is spelt", async (t) => {
    const keysFile = join(createKeyFolder(t), "keys.json");
    const key = createTestKey();
    writeKeys(keysFile, [key.entry]);
    const issuer = await startIssuer(t);
    const signer = await createIssuerKey("first");
    issuer.publish(signer);
    const token = await signToken(issuer, signer, startMs);
    const { authenticate } = await start(t, { keysFile, jwt: issuer });
    for (const scheme of ["Bearer", "bearer", "BEARER", "bEaReR "]) {
      assert.equal((await authenticate(`${scheme} ${key.text}`)).method, "key");
      assert.equal((await authenticate(`${scheme} ${token}`)).principal, "jwt:alice");
    }
  });

  test("whatever is wrong with a bearer is one refusal, whatever else would do", async (t) => {
    const keysFile = join(createKeyFolder(t), "keys.json");
    const key = createTestKey();
    writeKeys(keysFile, [key.entry]);
    const issuer = await startIssuer(t);
    const options = { keysFile, jwt: issuer, certificates: true, anonymous: localCaller };
    const { authenticate } = await start(t, options);
    const messages = new Set<string>();
    for (const authorization of [
      "",
      " ",
      "Bearer",
      "Bearer ",
      "Bearer  ",
      key.text,
      `Basic ${btoa(`me:${key.text}`)}`,
      `Digest ${key.text}`,
      `Token ${key.text}`,
      `Bearer${key.text}`,
      `Bearer: ${key.text}`,
      `Bearer ${key.text}x`,
      `Bearer ${key.text},Bearer ${key.text}`,
      `Bearer ${key.text} ${key.text}`,
      `Bearer ${createTestKey().text}`,
      `Bearer\t${key.text}`,
      `Bearer ${key.text.toUpperCase()}`,
      `Bearer "${key.text}"`,
      `Bearer ${"x".repeat(20_000)}`,
      `${" ".repeat(8_000)}${key.text}`,
      "Bearer \u0000",
    ]) {
      messages.add(await assertRefused(authenticate(authorization, certificate), authorization));
      messages.add(await assertRefused(authenticate(authorization), authorization));
    }
    assert.equal(messages.size, 1);
    assert.equal((await authenticate(`Bearer ${key.text}`, certificate)).method, "key");
  });

  test("no header of any content is accepted or throws anything else", async (t) => {
    const issuer = await startIssuer(t);
    issuer.publish(await createIssuerKey("first"));
    const { authenticate } = await start(t, { jwt: issuer, anonymous: localCaller });
    // The keys are there before the event loop is kept busy.
    const forged = await signToken(issuer, await createIssuerKey("first"), startMs);
    await assertRefused(authenticate(`Bearer ${forged}`));
    const text = fc.string({ unit: "binary" });
    const token = fc.tuple(fc.json(), fc.json(), fc.string()).map((parts) => {
      return `Bearer ${parts.map((part) => Buffer.from(part).toString("base64url")).join(".")}`;
    });
    const header = fc.oneof(
      text,
      text.map((end) => `Bearer ${end}`),
      token,
    );
    await fc.assert(
      fc.asyncProperty(header, async (authorization) => {
        await assertRefused(authenticate(authorization), authorization);
      }),
      { numRuns: 200 },
    );
    assert.equal(issuer.requests(), 1);
  });

  test("keys without a file and tokens without an issuer are refused like any other", async (t) => {
    const { authenticate } = await start(t, { anonymous: localCaller });
    const issuer = await startIssuer(t);
    const token = await signToken(issuer, await createIssuerKey("first"), startMs);
    const messages = [
      await assertRefused(authenticate(`Bearer ${createTestKey().text}`)),
      await assertRefused(authenticate(`Bearer ${token}`)),
      await assertRefused((await start(t)).authenticate()),
    ];
    assert.equal(new Set(messages).size, 1);
  });

  test("a certificate tells who calls until it expires, and only where that is asked for", async (t) => {
    const { authenticate, at } = await start(t, { certificates: true, anonymous: localCaller });
    const { isValid, ...identity } = await authenticate(undefined, certificate);
    assert.deepEqual(identity, {
      principal: "cert:spiffe://test/worker",
      isShared: false,
      rateKey: "cert:spiffe://test/worker",
      limits: {},
      scopes: new Set(["chat"]),
      method: "certificate",
      credentialId: certificate.fingerprint,
    });
    for (const name of ["", "x".repeat(256), "a\nb"]) {
      await assertRefused(authenticate(undefined, { ...certificate, name }), name);
    }
    at(certificate.validUntil - 1);
    assert.equal(isValid(), true);
    at(certificate.validUntil);
    assert.equal(isValid(), false);
    await assertRefused(authenticate(undefined, certificate));
    assert.equal((await authenticate()).method, "anonymous");
    const without = await start(t, { anonymous: localCaller });
    assert.equal((await without.authenticate(undefined, certificate)).method, "anonymous");
    await assertRefused((await start(t)).authenticate(undefined, certificate));
  });

  test("anonymous callers are who they are said to be: on this machine with every scope", async (t) => {
    const local = await (await start(t, { anonymous: localCaller })).authenticate();
    assert.deepEqual(
      { ...local, isValid: undefined },
      {
        ...localCaller,
        scopes: new Set(["chat", "read", "metrics"]),
        method: "anonymous",
        credentialId: "",
        isValid: undefined,
      },
    );
    assert.equal(local.isValid(), true);
    const shared = await (await start(t, { anonymous: sharedCaller("192.0.2.1") })).authenticate();
    assert.deepEqual([shared.isShared, [...shared.scopes]], [true, ["chat"]]);
    assert.equal(shared.rateKey, sharedCaller("192.0.2.1").rateKey);
  });

  test("no name of a key, token or certificate makes its caller the anonymous one", async (t) => {
    const keysFile = join(createKeyFolder(t), "keys.json");
    const key = createTestKey({ principal: "anonymous" });
    writeKeys(keysFile, [key.entry]);
    const issuer = await startIssuer(t);
    const signer = await createIssuerKey("first");
    issuer.publish(signer);
    const { authenticate } = await start(t, { keysFile, jwt: issuer, certificates: true });
    const token = await signToken(issuer, signer, startMs, { claims: { sub: "anonymous" } });
    const principals = [
      (await authenticate(`Bearer ${key.text}`)).principal,
      (await authenticate(`Bearer ${token}`)).principal,
      (await authenticate(undefined, { ...certificate, name: "anonymous" })).principal,
    ];
    assert.deepEqual(principals, ["key:anonymous", "jwt:anonymous", "cert:anonymous"]);
  });

  test("a file or a URL that cannot be used is an error at the start", async (t) => {
    const options = { certificates: false, now: Date.now, onProblem: assert.fail };
    const keysFile = join(createKeyFolder(t), "keys.json");
    await assert.rejects(createAuthenticator({ ...options, keysFile }), KeyFileError);
    writeKeys(keysFile, []);
    const jwt = { jwksUrl: "ftp://host/", issuer: "i", audience: "a" };
    await assert.rejects(createAuthenticator({ ...options, keysFile, jwt }), /AUTH_JWKS_URL/);
  });

  test("close can be repeated", async (t) => {
    const keysFile = join(createKeyFolder(t), "keys.json");
    writeKeys(keysFile, []);
    const { close } = await start(t, { keysFile });
    close();
    close();
  });
});
