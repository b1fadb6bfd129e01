import assert from "node:assert/strict";
import { test } from "node:test";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import type { Scope } from "../../../src/auth/authenticator.ts";
import { ChatService } from "../../../src/gen/chat/chat_pb.ts";
import { callJson } from "../../support/app.ts";
import { bearer, createKeyRing, startAuthApp } from "../../support/auth.ts";
import { connectLane, plainLanes } from "../../support/lanes.ts";
import { bodyOf, type RawWire, rawWires, sendRaw } from "../../support/raw-wires.ts";
import { assertError, collect, failureOf, replyOf } from "../../support/wire.ts";

/** What a key may call, by its scope; the test fails for an RPC that is in none of these. */
const mayCall: Record<Scope, readonly string[]> = {
  chat: ChatService.methods.map(({ name }) => name),
  read: [
    "GetSessionInfo",
    "ListSessions",
    "ListMessages",
    "WatchSession",
    "GetAttachment",
    "GetServerStats",
    "ListModels",
    "Health",
  ],
  metrics: ["GetServerStats"],
};

/** What writes, so that a new RPC is in one of the two lists. */
const writes = [
  "CreateSession",
  "DeleteSession",
  "UpdateSession",
  "ForkSession",
  "CancelTurn",
  "Chat",
  "StreamChat",
  "SendMessage",
];

test("each RPC either reads or writes", () => {
  const known = [...mayCall.read, ...writes].toSorted();
  assert.deepEqual(ChatService.methods.map(({ name }) => name).toSorted(), known);
});

function serves({ protocol, http2 }: RawWire, { methodKind }: DescMethod): boolean {
  if (methodKind === "unary") return protocol !== "connect-stream";
  if (methodKind === "bidi_streaming") return http2 && /^(grpc|connect-stream)$/.test(protocol);
  return protocol !== "connect";
}

function isScopeMissing(error: ConnectError | undefined): boolean {
  if (error?.code !== Code.PermissionDenied) return false;
  assertError(error, Code.PermissionDenied, "SCOPE_MISSING");
  return true;
}

for (const wire of rawWires) {
  test(`a key calls what its scope allows and nothing else (${wire.name})`, async (t) => {
    const ring = createKeyRing(t);
    const reader = ring.create({ scopes: ["read"] });
    const both = ring.create({ scopes: ["read", "metrics"] });
    const app = await startAuthApp(t, {}, ring);
    const keys = { chat: [app.alice], read: [reader, both], metrics: [app.operator] };
    // An empty request: most RPCs refuse it, after the gate.
    const body = bodyOf(wire, Buffer.from(wire.json ? "{}" : ""));
    for (const method of ChatService.methods.filter((each) => serves(wire, each))) {
      const path = `/chat.ChatService/${method.name}`;
      for (const scope of ["chat", "read", "metrics"] as const) {
        for (const key of keys[scope]) {
          // A stream of sessions would go on for ever; without a session it is refused.
          const { error } = await sendRaw(app, wire, { path, body, headers: bearer(key) });
          const allowed = mayCall[scope].includes(method.name);
          assert.equal(!isScopeMissing(error), allowed, `${method.name} with ${scope}: ${error}`);
        }
      }
    }
  });
}

for (const lane of plainLanes) {
  test(`a key that may read sees what its principal has written (${lane.name})`, async (t) => {
    const ring = createKeyRing(t);
    const { text } = ring.create({ principal: "alice", scopes: ["read"] });
    const app = await startAuthApp(t, {}, ring);
    const { chat } = connectLane(app, lane);
    const write = { headers: bearer(app.alice) };
    const { sessionId } = await chat.createSession({ modelId: "scripted:say" }, write);
    await chat.sendMessage({ sessionId, message: "Hi" }, write);
    const read = { headers: bearer(text) };
    const seen = await collect(chat.watchSession({ sessionId, untilIdle: true }, read));
    assert.equal(replyOf(seen), "Hi");
    assert.equal((await chat.listMessages({ sessionId }, read)).messages.length, 2);
    assert.equal((await chat.listSessions({}, read)).activeSessions, 1);
    const refused = await failureOf(chat.sendMessage({ sessionId, message: "Ho" }, read));
    const { metadata } = assertError(refused, Code.PermissionDenied, "SCOPE_MISSING");
    assert.deepEqual(metadata, { scope: "chat" });
    assert.equal((await chat.listMessages({ sessionId }, read)).messages.length, 2);
  });
}

test("the statistics are the caller's own, and the whole server's with the scope for them", async (t) => {
  const app = await startAuthApp(t);
  const ask = (key: typeof app.alice, rpc: string, message: object = {}) =>
    callJson(app, rpc, message, bearer(key));
  const say = { message: "Hi", modelId: "scripted:say" };
  await ask(app.alice, "SendMessage", say);
  await ask(app.alice, "SendMessage", say);
  await ask(app.bob, "SendMessage", say);
  const counts = async (key: typeof app.alice) => {
    const { json } = await ask(key, "GetServerStats");
    const { totalRequests, totalSessionsCreated, activeSessions = 0, outputTokens } = json;
    return { totalRequests, totalSessionsCreated, activeSessions, outputTokens };
  };
  const alice = await counts(app.alice);
  const bob = await counts(app.bob);
  assert.deepEqual([alice.totalRequests, alice.totalSessionsCreated], [2, 2]);
  assert.deepEqual([bob.totalRequests, bob.totalSessionsCreated], [1, 1]);
  const whole = await counts(app.operator);
  assert.deepEqual([whole.totalRequests, whole.totalSessionsCreated], [3, 3]);
  assert.equal(Number(whole.outputTokens), Number(alice.outputTokens) + Number(bob.outputTokens));
  assert.deepEqual([alice.activeSessions, bob.activeSessions], [2, 1]);
});
