import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Code, type ConnectError } from "@connectrpc/connect";
import { ChatRequest_Type, ChatResponse_Type } from "../../../src/gen/chat/chat_pb.ts";
import { callJson, sumOf } from "../../support/app.ts";
import { bearer, createKeyRing, startAuthApp } from "../../support/auth.ts";
import { createIssuerKey, signToken, startIssuer, type TestIssuer } from "../../support/jwks.ts";
import { createTestKey } from "../../support/keys.ts";
import { bidiLanes, connectLane, type Lane, lanes, plainLanes } from "../../support/lanes.ts";
import { openChat } from "../../support/stream-call.ts";
import { assertError, collect, failureOf, replyOf } from "../../support/wire.ts";

const past = "2026-01-02T00:00:00Z";

for (const lane of lanes) {
  test(`a key is accepted for each kind of call (${lane.name})`, async (t) => {
    const app = await startAuthApp(t, { tls: lane.tls });
    const { chat } = connectLane(app, lane);
    const options = { headers: bearer(app.alice) };
    const { sessionId } = await chat.createSession({ modelId: "scripted:say" }, options);
    const { text } = await chat.sendMessage({ sessionId, message: "Hi" }, options);
    const events = await collect(chat.streamChat({ sessionId, message: "Ho" }, options));
    const seen = await collect(chat.watchSession({ sessionId, untilIdle: true }, options));
    assert.deepEqual([text, replyOf(events), replyOf(seen)], ["Hi", "Ho", "HiHo"]);
    if (!bidiLanes.includes(lane)) return;
    const call = openChat(chat, options);
    await call.send({ type: ChatRequest_Type.PING });
    await call.firstOf(ChatResponse_Type.PONG);
    call.halfClose();
    assert.equal(await call.ended, undefined);
  });
}

/** What a client that shows nothing good sends as `authorization`, each by its name. */
async function badHeaders({ app, issuer, signer, revoked, expired }: Started) {
  const { alice } = app;
  const now = Date.now();
  const token = (claims: object) => signToken(issuer, signer, now, { claims: { ...claims } });
  const stranger = await createIssuerKey("k1");
  const exp = Math.floor(now / 1_000) - 60;
  const wrongEnd = `${alice.text.slice(0, -1)}${alice.text.endsWith("A") ? "E" : "A"}`;
  const bearers: Record<string, string> = {
    "an unknown key": createTestKey().text,
    "a key with another secret": wrongEnd,
    "a revoked key": revoked.text,
    "an expired key": expired.text,
    "a key that was cut": alice.text.slice(0, 40),
    "no key and no token": "x",
    "an expired token": await token({ exp }),
    "a token for another service": await token({ aud: "other" }),
    "a token of another issuer": await token({ iss: "https://other.test/" }),
    "a token that another has signed": await signToken(issuer, stranger, now),
    "a token that nobody has signed": `${await unsigned(issuer)}`,
  };
  const headers: Record<string, string | undefined> = {
    nothing: undefined,
    "an empty header": "",
    "another scheme": "Basic YWxpY2U6c2VjcmV0",
    "a key without its scheme": alice.text,
    "two keys": `Bearer ${alice.text} Bearer ${alice.text}`,
  };
  for (const [name, text] of Object.entries(bearers)) headers[name] = `Bearer ${text}`;
  return headers;
}

async function unsigned({ issuer, audience }: TestIssuer): Promise<string> {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1_000) + 600;
  return `${part({ alg: "none" })}.${part({ iss: issuer, aud: audience, sub: "alice", exp })}.`;
}

/** All that a client can see of a refusal. */
function toldBy(error: ConnectError) {
  assertError(error, Code.Unauthenticated, "UNAUTHENTICATED");
  const details = JSON.stringify(error.details);
  return { message: error.rawMessage, details };
}

/** A server that takes the tokens of an issuer, whose key is `signer`, beside keys. */
async function startWithIssuer(t: TestContext, lane: Lane, { isDown = false } = {}) {
  const issuer = await startIssuer(t);
  const signer = await createIssuerKey("k1");
  if (isDown) issuer.answer((response) => void response.writeHead(503).end());
  else issuer.publish(signer);
  const env = {
    AUTH_JWKS_URL: issuer.jwksUrl,
    AUTH_ISSUER: issuer.issuer,
    AUTH_AUDIENCE: issuer.audience,
  };
  const keys = createKeyRing(t);
  const revoked = keys.create({ revokedAt: past });
  const expired = keys.create({ expiresAt: past });
  const app = await startAuthApp(t, { tls: lane.tls, env }, keys);
  return { app, issuer, signer, revoked, expired, chat: connectLane(app, lane).chat };
}

type Started = Awaited<ReturnType<typeof startWithIssuer>>;

for (const lane of plainLanes) {
  test(`whatever is wrong, a caller is told the same (${lane.name})`, async (t) => {
    const started = await startWithIssuer(t, lane);
    const { app, chat } = started;
    const seen = new Map<string, string>();
    const bad = await badHeaders(started);
    for (const [name, authorization] of Object.entries(bad)) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      const errors = [
        await failureOf(chat.listSessions({}, { headers })),
        await failureOf(chat.sendMessage({ message: "Hi" }, { headers })),
        await failureOf(collect(chat.streamChat({ message: "Hi" }, { headers }))),
        await failureOf(collect(chat.watchSession({ sessionList: true }, { headers }))),
      ];
      if (bidiLanes.includes(lane)) {
        const error = await openChat(chat, { headers }).ended;
        assert.ok(error, "Chat was let in");
        errors.push(error);
      }
      for (const error of errors) seen.set(JSON.stringify(toldBy(error)), name);
    }
    assert.equal(seen.size, 1, [...seen].join("\n"));
    const metrics = await app.metrics();
    assert.equal(sumOf(metrics, "chatwire_scripted_model_calls_total"), 0);
  });

  test(`a token of the issuer is accepted, with its own scopes (${lane.name})`, async (t) => {
    const { issuer, signer, chat } = await startWithIssuer(t, lane);
    const now = Date.now();
    const headers = bearer(await signToken(issuer, signer, now));
    const { sessionId } = await chat.createSession({ modelId: "scripted:say" }, { headers });
    const events = await collect(chat.streamChat({ sessionId, message: "Hi" }, { headers }));
    assert.equal(replyOf(events), "Hi");
    const claims = { scope: "openid chatwire:read" };
    const reader = bearer(await signToken(issuer, signer, now, { claims }));
    const { sessions } = await chat.listSessions({}, { headers: reader });
    assert.equal(sessions[0]?.sessionId, sessionId);
    const refused = await failureOf(chat.deleteSession({ sessionId }, { headers: reader }));
    assertError(refused, Code.PermissionDenied, "SCOPE_MISSING");
  });
}

test("while the issuer's keys cannot be had, tokens wait and keys go on", async (t) => {
  const lane = lanes[0];
  assert.ok(lane);
  const { app, issuer, signer, chat } = await startWithIssuer(t, lane, { isDown: true });
  const headers = bearer(await signToken(issuer, signer, Date.now()));
  const error = await failureOf(chat.listSessions({}, { headers }));
  const { retryMs } = assertError(error, Code.Unavailable, "AUTH_UNAVAILABLE");
  assert.ok(retryMs !== undefined && retryMs > 0);
  await chat.listSessions({}, { headers: bearer(app.alice) });
});

test("the scheme is read in any case, and a key in the query is none", async (t) => {
  const app = await startAuthApp(t);
  const authorization = `bEARER ${app.alice.text}`;
  assert.equal((await callJson(app, "ListSessions", {}, { authorization })).status, 200);
  const query = `ListSessions?access_token=${app.alice.text}`;
  assert.equal((await callJson(app, query, {})).status, 401);
});
