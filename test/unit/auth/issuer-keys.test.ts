import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { describe, type TestContext, test } from "node:test";
import {
  cooldownMs,
  createIssuerKeys,
  failurePauseMs,
  refreshAfterMs,
  staleAfterMs,
} from "../../../src/auth/issuer-keys.ts";
import { createTokenCheck } from "../../../src/auth/token-check.ts";
import { ChatError } from "../../../src/chat/errors.ts";
import {
  createIssuerKey,
  type IssuerKey,
  signToken,
  startIssuer,
  type TestIssuer,
} from "../../support/jwks.ts";

const startMs = Date.UTC(2026, 5, 1);

function start(t: TestContext, issuer: TestIssuer) {
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
  let serial = 0;
  return {
    tokens,
    problems,
    pass(ms: number) {
      nowMs += ms;
    },
    /** The reason why a new token by this key is refused, "" when it is accepted. */
    async reasonOf(key: IssuerKey): Promise<string> {
      serial += 1;
      const claims = { jti: String(serial), exp: startMs / 1000 + 1e6 };
      const token = await signToken(issuer, key, nowMs, { claims });
      return tokens.check(token).then(
        () => "",
        (error: ChatError) => error.reason,
      );
    },
  };
}

describe("the issuer's keys", { timeout: 60_000 }, () => {
  test("are fetched once at the start, for any number of tokens", async (t) => {
    const issuer = await startIssuer(t);
    const key = await createIssuerKey("first");
    issuer.publish(key);
    const { reasonOf } = start(t, issuer);
    const reasons = await Promise.all(Array.from({ length: 20 }, () => reasonOf(key)));
    assert.deepEqual(new Set(reasons), new Set([""]));
    assert.equal(issuer.requests(), 1);
  });

  test("a new key is fetched once, when a token first names it", async (t) => {
    const issuer = await startIssuer(t);
    const [old, next] = [await createIssuerKey("old"), await createIssuerKey("next")];
    issuer.publish(old);
    const { reasonOf, pass } = start(t, issuer);
    assert.equal(await reasonOf(old), "");
    issuer.publish(old, next);
    pass(cooldownMs);
    const reasons = await Promise.all(Array.from({ length: 20 }, () => reasonOf(next)));
    assert.deepEqual(new Set(reasons), new Set([""]));
    assert.equal(await reasonOf(old), "");
    assert.equal(issuer.requests(), 2);
  });

  test("tokens with names that nobody has do not flood the issuer", async (t) => {
    const issuer = await startIssuer(t);
    const key = await createIssuerKey("first");
    issuer.publish(key);
    const { reasonOf, pass } = start(t, issuer);
    assert.equal(await reasonOf(key), "");
    for (let round = 0; round < 4; round += 1) {
      for (let count = 0; count < 10; count += 1) {
        assert.equal(await reasonOf({ ...key, kid: `x${round}-${count}` }), "UNAUTHENTICATED");
      }
      assert.equal(issuer.requests(), 1 + round);
      pass(cooldownMs);
    }
  });

  test("an issuer that is down is AUTH_UNAVAILABLE, with the time to wait, and is left alone", async (t) => {
    const issuer = await startIssuer(t);
    const key = await createIssuerKey("first");
    issuer.answer((response) => response.destroy());
    const { reasonOf, pass, tokens, problems } = start(t, issuer);
    assert.equal(await reasonOf(key), "AUTH_UNAVAILABLE");
    pass(failurePauseMs / 2);
    await assert.rejects(tokens.check(await signToken(issuer, key, startMs)), (error: Error) => {
      assert.ok(error instanceof ChatError);
      assert.equal(error.kind, "unavailable");
      assert.equal(error.retryable, true);
      assert.equal(error.retryAfterMs, failurePauseMs / 2);
      return true;
    });
    assert.equal(issuer.requests(), 1);
    pass(failurePauseMs / 2);
    assert.equal(await reasonOf(key), "AUTH_UNAVAILABLE");
    assert.equal(issuer.requests(), 2);
    assert.equal(problems.length, 1);
    issuer.publish(key);
    pass(failurePauseMs);
    assert.equal(await reasonOf(key), "");
    assert.equal(issuer.requests(), 3);
  });

  test("keys that are held serve on while the issuer is away; others cannot be judged", async (t) => {
    const issuer = await startIssuer(t);
    const key = await createIssuerKey("first");
    issuer.publish(key);
    const { reasonOf, pass, problems } = start(t, issuer);
    assert.equal(await reasonOf(key), "");
    issuer.answer((response) => response.writeHead(503).end());
    for (let hour = 0; hour < 5; hour += 1) {
      pass(3_600_000);
      assert.equal(await reasonOf(key), "");
      assert.equal(await reasonOf({ ...key, kid: "other" }), "AUTH_UNAVAILABLE");
    }
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? "", /status 503.*go on to count/);
    issuer.publish(await createIssuerKey("next"));
    pass(3_600_000);
    // The first to come asks for the keys in the background, and the one after it has them.
    const before = issuer.requests();
    assert.equal(await reasonOf(key), "");
    await issuer.until(before + 1);
    assert.equal(await reasonOf({ ...key, kid: "other" }), "UNAUTHENTICATED");
    assert.equal(await reasonOf(key), "UNAUTHENTICATED");
  });

  test("old keys are fetched again: in the background first, before an answer when too old", async (t) => {
    const issuer = await startIssuer(t);
    const key = await createIssuerKey("first");
    issuer.publish(key);
    let nowMs = startMs;
    let changes = 0;
    const keys = createIssuerKeys({
      url: new URL(issuer.jwksUrl),
      now: () => nowMs,
      onProblem: assert.fail,
      onChange() {
        changes += 1;
      },
    });
    t.after(keys.close);
    const find = () => keys.find({ alg: key.alg, kid: key.kid }, { payload: "", signature: "" });
    assert.equal(keys.isFresh(), false);
    await find();
    nowMs += refreshAfterMs - 1;
    assert.equal(keys.isFresh(), true);
    assert.equal(issuer.requests(), 1);
    const held = Promise.withResolvers<ServerResponse>();
    issuer.answer(held.resolve);
    nowMs += 1;
    assert.equal(keys.isFresh(), true);
    const response = await held.promise;
    const fetched = keys.refresh();
    assert.equal(keys.isFresh(), true);
    await find();
    response.end(JSON.stringify({ keys: [key.jwk] }));
    await fetched;
    assert.deepEqual([issuer.requests(), changes], [2, 1]);
    nowMs += staleAfterMs - 1;
    issuer.publish(await createIssuerKey("second"));
    await find();
    nowMs += 1;
    await assert.rejects(find(), { code: "ERR_JWKS_NO_MATCHING_KEY" });
    assert.deepEqual([issuer.requests(), changes], [3, 2]);
    // A clock that was set back makes nothing fresh.
    nowMs -= 3_600_000;
    assert.equal(keys.isFresh(), false);
  });

  test("an issuer that begins to answer and falls silent has failed", async (t) => {
    const issuer = await startIssuer(t);
    issuer.answer((response) => void response.write('{"keys":['));
    const problems: string[] = [];
    const keys = createIssuerKeys({
      url: new URL(`${issuer.jwksUrl}?secret=1`),
      now: () => startMs,
      fetchTimeoutMs: 50,
      onProblem: (message) => problems.push(message),
      onChange: assert.fail,
    });
    t.after(keys.close);
    await keys.refresh();
    assert.equal(problems.length, 1);
    assert.ok(problems[0]?.includes(issuer.jwksUrl) && !problems[0].includes("secret"));
  });

  test("another fetch can be given, for proxies", async (t) => {
    const key = await createIssuerKey("first");
    const asked: string[] = [];
    const keys = createIssuerKeys({
      url: new URL("https://issuer.invalid/jwks.json"),
      now: () => startMs,
      fetch: async (url) => {
        asked.push(url);
        return Response.json({ keys: [key.jwk] });
      },
      onProblem: assert.fail,
      onChange() {},
    });
    t.after(keys.close);
    await keys.find({ alg: key.alg, kid: key.kid }, { payload: "", signature: "" });
    assert.deepEqual(asked, ["https://issuer.invalid/jwks.json"]);
  });

  test("an answer that is no key set, too large or elsewhere is none", async (t) => {
    const key = await createIssuerKey("first");
    const good = JSON.stringify({ keys: [key.jwk] });
    for (const [what, answer] of [
      ["no JSON", "keys"],
      ["no set", "[]"],
      ["too large", good.padEnd(1024 * 1024 + 1)],
    ] as const) {
      const issuer = await startIssuer(t);
      issuer.answer((response) => response.end(answer));
      const { reasonOf, problems } = start(t, issuer);
      assert.equal(await reasonOf(key), "AUTH_UNAVAILABLE", what);
      assert.equal(problems.length, 1, what);
    }
    const other = await startIssuer(t);
    other.publish(key);
    const issuer = await startIssuer(t);
    issuer.answer((response) => response.writeHead(302, { location: other.jwksUrl }).end());
    assert.equal(await start(t, issuer).reasonOf(key), "AUTH_UNAVAILABLE");
    assert.equal(other.requests(), 0);
    issuer.answer((response) => response.end(good.padEnd(1024 * 1024)));
    assert.equal(await start(t, issuer).reasonOf(key), "");
  });

  test("a hanging issuer is given up when the server closes", async (t) => {
    const issuer = await startIssuer(t);
    const key = await createIssuerKey("first");
    issuer.answer(() => {});
    const { reasonOf, tokens, problems } = start(t, issuer);
    const waiting = reasonOf(key);
    await issuer.until(1);
    tokens.close();
    tokens.close();
    assert.equal(await waiting, "AUTH_UNAVAILABLE");
    assert.equal(await reasonOf(key), "AUTH_UNAVAILABLE");
    assert.deepEqual(problems, []);
    assert.equal(issuer.requests(), 1);
  });

  test("two keys of one name are both tried, and so are all where a token names none", async (t) => {
    const issuer = await startIssuer(t);
    const [one, two, three] = [
      await createIssuerKey("same"),
      await createIssuerKey("same"),
      await createIssuerKey("same"),
    ];
    issuer.publish(one, two);
    const { reasonOf } = start(t, issuer);
    assert.equal(await reasonOf(one), "");
    assert.equal(await reasonOf(two), "");
    assert.equal(await reasonOf(three), "UNAUTHENTICATED");
    const unnamed = undefined as unknown as string;
    assert.equal(await reasonOf({ ...two, kid: unnamed }), "");
    assert.equal(await reasonOf({ ...three, kid: unnamed }), "UNAUTHENTICATED");
  });

  test("a URL that is not http or has a password is refused at the start", () => {
    for (const jwksUrl of ["file:///etc/passwd", "data:,{}", "no url", "https://me:secret@host/"]) {
      const options = { jwksUrl, issuer: "i", audience: "a", now: Date.now };
      assert.throws(
        () => createTokenCheck({ ...options, onProblem: assert.fail }),
        (error: Error) => /AUTH_JWKS_URL/.test(error.message) && !/secret/.test(error.message),
      );
    }
  });
});
