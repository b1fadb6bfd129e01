import assert from "node:assert/strict";
import { test } from "node:test";
import { callJson, request } from "../../support/app.ts";
import { bearer, createKeyRing } from "../../support/auth.ts";
import { createIssuerKey, signToken, startIssuer } from "../../support/jwks.ts";
import { createTestKey } from "../../support/keys.ts";
import { connectLane, lanes, plainLanes } from "../../support/lanes.ts";
import { startServer } from "../../support/server-process.ts";
import { openStreamChat } from "../../support/stream-call.ts";
import { failureOf } from "../../support/wire.ts";

type Line = Record<string, unknown>;

test("the log says why a caller was refused, and holds no credential", async (t) => {
  const issuer = await startIssuer(t);
  const signer = await createIssuerKey("k1");
  issuer.publish(signer);
  const keys = createKeyRing(t);
  const good = keys.create({ scopes: ["chat", "metrics"] });
  const lost = keys.create();
  const revoked = keys.create({ revokedAt: "2026-01-02T00:00:00Z" });
  const unknown = createTestKey();
  const token = await signToken(issuer, signer, Date.now(), { claims: { sub: "Zanzibar" } });
  const exp = Math.floor(Date.now() / 1_000) - 60;
  const old = await signToken(issuer, signer, Date.now(), { claims: { exp, sub: "Zanzibar" } });
  const server = await startServer(t, {
    env: {
      LOG_LEVEL: "trace",
      DRAIN_TIMEOUT_MS: "100",
      AUTH_KEYS_FILE: keys.path,
      AUTH_JWKS_URL: issuer.jwksUrl,
      AUTH_ISSUER: issuer.issuer,
      AUTH_AUDIENCE: issuer.audience,
    },
  });
  const shown = [
    good.text,
    token,
    unknown.text,
    revoked.text,
    old,
    `${good.text.slice(0, -4)}AAAA`,
  ];
  for (const credential of shown) {
    await callJson(server, "Health", {}, bearer(credential));
    await request(server, { path: "/metrics", headers: bearer(credential) });
    for (const lane of plainLanes) {
      const { chat } = connectLane(server, lane);
      await chat.listSessions({}, { headers: bearer(credential) }).catch(() => undefined);
      const say = { message: "Hi", modelId: "scripted:3x1" };
      await openStreamChat(chat, say, { headers: bearer(credential) }).ended;
    }
  }
  await callJson(server, "Health", {}, { authorization: `Basic ${good.text}` });
  // One whose key is revoked while it is open, and one that is cut in mid reply.
  const [lane] = lanes;
  assert.ok(lane);
  const { chat, cut } = connectLane(server, lane);
  const long = { message: "Go on", modelId: "scripted:1000x20" };
  const streams = [lost, good].map((key) => openStreamChat(chat, long, { headers: bearer(key) }));
  for (const stream of streams) await stream.first(({ chunkNumber }) => chunkNumber === 1);
  cut();
  for (const stream of streams) await stream.ended;
  keys.revoke(lost);
  server.kill("SIGTERM");
  const { stdout, stderr } = await server.result();
  const text = stdout + stderr;
  for (const credential of [...shown, lost.text]) {
    assert.ok(!text.includes(credential), "a whole credential");
    const secret = credential.slice(-30);
    assert.ok(!text.includes(secret), "the secret part of a credential");
  }
  assert.doesNotMatch(text, /[Bb]earer |Basic cw_/);

  const lines = text.split("\n").filter((line) => line.startsWith("{"));
  const refusals = lines
    .map((line) => JSON.parse(line) as Line)
    .filter(({ msg }) => msg === "a caller was refused: no valid credential");
  const causes = new Set(refusals.map(({ cause }) => cause));
  for (const cause of [
    "there is no such key",
    `key ${revoked.entry.id} is revoked`,
    `this is not the secret of key ${good.entry.id}`,
    "the header is no Bearer",
    '"exp" claim timestamp check failed',
  ]) {
    assert.ok(causes.has(cause), `${cause} is not among ${[...causes].join(", ")}`);
  }
  const paths = new Set(refusals.map(({ path }) => path));
  for (const path of ["/metrics", "/chat.ChatService/Health", "/chat.ChatService/StreamChat"]) {
    assert.ok(paths.has(path), path);
  }
  for (const { address, requestId, level } of refusals) {
    assert.equal(address, "127.0.0.1");
    assert.ok(typeof requestId === "string" && requestId !== "");
    assert.equal(level, 30);
  }
});

test("a caller that is refused costs the log no more than it sent headers for", async (t) => {
  const keys = createKeyRing(t);
  const server = await startServer(t, { env: { AUTH_KEYS_FILE: keys.path } });
  const { chat } = connectLane(server, plainLanes[0] ?? assert.fail());
  const headers = { authorization: `Bearer ${"x".repeat(8_000)}` };
  await failureOf(chat.listSessions({}, { headers }));
  server.kill("SIGTERM");
  const { stderr } = await server.result();
  for (const line of stderr.split("\n")) assert.ok(line.length < 1_000, line.slice(0, 200));
});
