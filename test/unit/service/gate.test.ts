import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, createContextValues, createHandlerContext } from "@connectrpc/connect";
import type { Authenticator, Identity, Scope } from "../../../src/auth/authenticator.ts";
import { createAuthenticator } from "../../../src/auth/create-authenticator.ts";
import { unauthenticated } from "../../../src/auth/refusal.ts";
import { type CallerLimits, localCaller } from "../../../src/chat/caller.ts";
import { ChatService } from "../../../src/gen/chat/chat_pb.ts";
import { callerOf as handlerCallerOf, requestIdKey } from "../../../src/service/caller.ts";
import {
  type AuthRefusal,
  createGate,
  type GateOptions,
  identify,
  type Peer,
  peerKey,
} from "../../../src/service/gate.ts";
import { createStreamCounts } from "../../../src/service/stream-counts.ts";
import { callerOf } from "../../support/caller.ts";
import { assertError } from "../../support/wire.ts";

const here: Peer = { address: "127.0.0.1", certificate: undefined, isFromElsewhere: false };

/** Takes everybody for one caller. */
function acceptAs(scopes: readonly Scope[], limits: CallerLimits = {}): Authenticator {
  const identity: Identity = {
    ...callerOf("ada"),
    limits,
    scopes: new Set(scopes),
    method: "key",
    credentialId: "id",
    isValid: () => true,
  };
  return { authenticate: async () => identity, close: () => undefined };
}

/** A gate, what it did, and a way to pass it. */
function createTestGate(options: Partial<GateOptions>) {
  const refusals: AuthRefusal[] = [];
  const watched: Identity[] = [];
  const streams = createStreamCounts();
  const gate = createGate({
    authenticator: acceptAs(["chat"]),
    onRefused: (refusal) => refusals.push(refusal),
    limits: {},
    credentials: { watch: (identity) => watched.push(identity), close: () => undefined },
    streams,
    admitPublicStream: () => undefined,
    ...options,
  });
  const pass = async (name: keyof typeof ChatService.method, { authorization = "" } = {}) => {
    const context = createHandlerContext({
      service: ChatService,
      method: ChatService.method[name],
      protocolName: "connect",
      requestMethod: "POST",
      url: "http://localhost/",
      requestHeader: authorization ? { authorization } : {},
      contextValues: createContextValues()
        .set(requestIdKey, "r1")
        .set(peerKey, { ...here, endCall: () => undefined }),
    });
    const error = await gate(context).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    return { context, error };
  };
  return { pass, refusals, watched, streams };
}

function assertRefused(error: unknown, code: Code, reason: string) {
  assert.ok(error instanceof ConnectError, String(error));
  return assertError(error, code, reason);
}

test("a caller is told that a credential is needed, the log why, and neither the credential", async () => {
  const cause = new Error("key 7k2m is revoked");
  const authenticator = {
    authenticate: () => Promise.reject(unauthenticated(cause)),
    close: () => undefined,
  };
  const { pass, refusals, streams } = createTestGate({ authenticator });
  const { error, context } = await pass("listSessions", { authorization: "Bearer secret" });
  assertRefused(error, Code.Unauthenticated, "UNAUTHENTICATED");
  assert.doesNotMatch(String(error), /revoked|7k2m|secret/);
  const path = "/chat.ChatService/ListSessions";
  const told = { path, requestId: "r1", address: "127.0.0.1", cause: cause.message };
  assert.deepEqual(refusals, [told]);
  assert.throws(() => handlerCallerOf(context));
  await pass("chat");
  assert.equal(streams.count(), 0);
});

test("a scope that is missing is named, and is no failed authentication", async () => {
  const { pass, refusals, streams } = createTestGate({ authenticator: acceptAs(["read"]) });
  const { error } = await pass("streamChat");
  const { metadata } = assertRefused(error, Code.PermissionDenied, "SCOPE_MISSING");
  assert.deepEqual(metadata, { scope: "chat" });
  assert.deepEqual([refusals, streams.count()], [[], 0]);
  assert.equal((await pass("listMessages")).error, undefined);
});

test("streams and what waits for a reply are counted and watched; other calls are not", async () => {
  const { pass, watched, streams } = createTestGate({});
  for (const name of ["listSessions", "cancelTurn", "health"] as const) await pass(name);
  assert.deepEqual([watched.length, streams.count()], [0, 0]);
  for (const name of ["chat", "streamChat", "watchSession", "sendMessage"] as const) {
    await pass(name);
  }
  assert.deepEqual([watched.length, streams.count()], [4, 4]);
});

test("a caller's own limits stand in place of the server's, and only those that it has", async () => {
  const authenticator = acceptAs(["chat"], { streamsMax: 2 });
  const limits = { streamsMax: 1, sessionsMax: 7 };
  const { pass } = createTestGate({ authenticator, limits });
  const { context } = await pass("chat");
  assert.deepEqual(handlerCallerOf(context).limits, { streamsMax: 2, sessionsMax: 7 });
  assert.equal((await pass("watchSession")).error, undefined);
  assertRefused((await pass("chat")).error, Code.ResourceExhausted, "TOO_MANY_STREAMS");
});

test("an anonymous caller on this machine is one, with everything", async () => {
  const authenticator = await createAnonymous();
  const identity = await identify(authenticator, undefined, here);
  assert.equal(identity.isShared, false);
  assert.deepEqual([...identity.scopes].toSorted(), ["chat", "metrics", "read"]);
});

test("an anonymous caller from elsewhere is one of many, and may chat", async () => {
  const authenticator = await createAnonymous();
  const peer = { ...here, address: "192.0.2.7", isFromElsewhere: true };
  const identity = await identify(authenticator, undefined, peer);
  assert.deepEqual([identity.isShared, [...identity.scopes]], [true, ["chat"]]);
  assert.equal(identity.rateKey, "anonymous 192.0.2.7");
});

const networks = {
  "192.0.2.7": "192.0.2.7",
  "::ffff:192.0.2.7": "192.0.2.7",
  "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
  "2001:DB8:1:2::9": "2001:db8:1:2::/64",
  "2001:db8::9": "2001:db8:0:0::/64",
  "2001:0db8:0001::": "2001:db8:1:0::/64",
  "fe80::1%eth0": "fe80:0:0:0::/64",
  "::1": "0:0:0:0::/64",
  "": "",
};

for (const [address, network] of Object.entries(networks)) {
  test(`anonymous callers at "${address}" are counted as "${network}"`, async () => {
    const peer = { ...here, address, isFromElsewhere: true };
    const { rateKey } = await identify(await createAnonymous(), undefined, peer);
    assert.equal(rateKey, `anonymous ${network}`);
  });
}

function createAnonymous(): Promise<Authenticator> {
  const unused = () => assert.fail("nothing is wrong");
  return createAuthenticator({
    certificates: false,
    anonymous: localCaller,
    now: Date.now,
    onProblem: unused,
  });
}
