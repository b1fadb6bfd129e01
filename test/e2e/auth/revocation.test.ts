import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  type ChatRequestSchema,
  ChatResponse_Type,
  OnDisconnect,
} from "../../../src/gen/chat/chat_pb.ts";
import { callJson, openCalls, untilMetrics } from "../../support/app.ts";
import { bearer, createKeyRing, startAuthApp } from "../../support/auth.ts";
import { createIssuerKey, signToken, startIssuer } from "../../support/jwks.ts";
import type { TestKey } from "../../support/keys.ts";
import { bidiLanes, binaryLanes, connectLane, type Lane, plainLanes } from "../../support/lanes.ts";
import { openChat, openStreamChat, openWatch, type StreamCall } from "../../support/stream-call.ts";
import { modelAborts, modelCalls, words } from "../../support/turn-checks.ts";
import { assertError, failureOf } from "../../support/wire.ts";

const { CHUNK } = ChatResponse_Type;

/** A key of alice that will be revoked, beside the one that she keeps. */
async function startWithLost(t: TestContext, lane: Lane, env: Record<string, string> = {}) {
  const keys = createKeyRing(t);
  const lost = keys.create({ principal: "alice" });
  const app = await startAuthApp(t, { tls: lane.tls, env }, keys);
  return { app, lost, ...connectLane(app, lane), kept: { headers: bearer(app.alice) } };
}

async function assertEnded(call: Pick<StreamCall, "ended">): Promise<void> {
  const error = await call.ended;
  assert.ok(error, "the stream ended well");
  assertError(error, Code.Unauthenticated, "UNAUTHENTICATED");
}

/** Opens everything that stays open by one credential. */
async function openAll(
  { chat }: ReturnType<typeof connectLane>,
  lane: Lane,
  credential: TestKey | string,
) {
  const options = { headers: bearer(credential) };
  const modelId = "scripted:1000x20";
  const { sessionId } = await chat.createSession({ modelId }, options);
  const streams: StreamCall[] = [
    openStreamChat(chat, { message: "Go on", modelId }, options),
    openWatch(chat, { sessionId, sessionList: true }, options),
    openWatch(chat, { sessionList: true }, options),
  ];
  await streams[0]?.firstOf(CHUNK);
  for (const watch of streams.slice(1)) await watch.update("watching");
  if (bidiLanes.includes(lane)) {
    const call = openChat(chat, options);
    await call.send({ sessionId, message: "Go on" });
    await call.firstOf(CHUNK);
    streams.push(call);
  }
  const waiting = failureOf(chat.sendMessage({ message: "Go on", modelId }, options));
  return { streams, waiting };
}

for (const lane of plainLanes) {
  test(`a revoked key ends its open calls and no other's (${lane.name})`, async (t) => {
    const { app, lost, kept, ...client } = await startWithLost(t, lane);
    const { streams, waiting } = await openAll(client, lane, lost);
    const runs = streams.length === 4 ? 3 : 2;
    await untilMetrics(app, (m) => m.get(modelCalls) === runs);
    const other = openWatch(client.chat, { sessionList: true }, kept);
    await other.update("watching");
    app.keys.revoke(lost);
    for (const stream of streams) await assertEnded(stream);
    assertError(await waiting, Code.Unauthenticated, "UNAUTHENTICATED");
    // Its turns go on for their grace; the key's principal finds them, and new calls need another key.
    const { sessions } = await client.chat.listSessions({}, kept);
    assert.equal(sessions.filter(({ running }) => running).length, runs);
    const refused = await failureOf(client.chat.listSessions({}, { headers: bearer(lost) }));
    assertError(refused, Code.Unauthenticated, "UNAUTHENTICATED");
    for (const { sessionId } of sessions) await client.chat.cancelTurn({ sessionId }, kept);
    assert.equal(other.events.length > 0, true);
    other.abort();
    await other.ended;
    await untilMetrics(app, (metrics) => openCalls(metrics) === 0);
  });

  test(`a token's end ends its open calls (${lane.name})`, async (t) => {
    const issuer = await startIssuer(t);
    const signer = await createIssuerKey("k1");
    issuer.publish(signer);
    const env = {
      AUTH_JWKS_URL: issuer.jwksUrl,
      AUTH_ISSUER: issuer.issuer,
      AUTH_AUDIENCE: issuer.audience,
      DISCONNECT_GRACE_MS: "1",
    };
    const app = await startAuthApp(t, { tls: lane.tls, env });
    // The clock alone is the test's: nothing waits for the ten minutes.
    t.mock.timers.enable({ apis: ["Date"], now: Date.now() });
    const token = await signToken(issuer, signer, Date.now());
    const { streams, waiting } = await openAll(connectLane(app, lane), lane, token);
    // Clocks may differ by 30 s.
    t.mock.timers.setTime(Date.now() + 631_000);
    for (const stream of streams) await assertEnded(stream);
    assertError(await waiting, Code.Unauthenticated, "UNAUTHENTICATED");
  });
}

/** What each on_disconnect makes of a turn whose key has ended, by the grace of the server. */
const follows = {
  "60000": {
    goOn: [OnDisconnect.CONTINUE, OnDisconnect.GRACE, OnDisconnect.UNSPECIFIED],
    end: [OnDisconnect.CANCEL],
  },
  // A native client's reset would cancel what is UNSPECIFIED at once; the server's own end does not.
  "1": {
    goOn: [OnDisconnect.CONTINUE],
    end: [OnDisconnect.CANCEL, OnDisconnect.GRACE, OnDisconnect.UNSPECIFIED],
  },
} as const;

for (const lane of binaryLanes) {
  for (const [graceMs, { goOn, end }] of Object.entries(follows)) {
    test(`turns follow on_disconnect when their key ends, grace ${graceMs} ms (${lane.name})`, async (t) => {
      const env = { DISCONNECT_GRACE_MS: graceMs };
      const { app, lost, chat } = await startWithLost(t, lane, env);
      const open = (count: number) => (onDisconnect: OnDisconnect) => {
        const request = { message: "Go on", modelId: `scripted:${count}x20`, onDisconnect };
        return openTurns(chat, lane, request, lost);
      };
      const going = (await Promise.all(goOn.map(open(100)))).flat();
      const ending = (await Promise.all(end.map(open(2_000)))).flat();
      const all = [...going, ...ending];
      const started = await Promise.all(all.map((call) => call.firstOf(CHUNK)));
      app.keys.revoke(lost);
      for (const call of all) await assertEnded(call);
      const replies = await Promise.all(
        started.map(({ sessionId }) => replyIn(chat, sessionId, app.alice)),
      );
      const whole = replies.map((reply) => reply === words(100));
      assert.deepEqual(
        whole,
        all.map((call) => going.includes(call)),
      );
      assert.equal((await app.metrics()).get(modelAborts), ending.length);
    });
  }
}

type Chat = ReturnType<typeof connectLane>["chat"];

/** A turn by each kind of stream that the lane has. */
async function openTurns(
  chat: Chat,
  lane: Lane,
  request: MessageInitShape<typeof ChatRequestSchema>,
  key: TestKey,
): Promise<StreamCall[]> {
  const options = { headers: bearer(key) };
  const streamed = openStreamChat(chat, request, options);
  if (!bidiLanes.includes(lane)) return [streamed];
  const { sessionId } = await chat.createSession({}, options);
  const call = openChat(chat, options);
  await call.send({ ...request, sessionId });
  return [streamed, call];
}

/** The reply in a session once its turn has ended, as another key of its principal reads it. */
async function replyIn(chat: Chat, sessionId: string, key: TestKey): Promise<string> {
  const options = { headers: bearer(key) };
  for await (const _ of chat.watchSession({ sessionId, untilIdle: true }, options));
  const { messages } = await chat.listMessages({ sessionId }, options);
  return messages.at(-1)?.text ?? "";
}

test("a unary call whose key ends is told by HTTP how to go on", async (t) => {
  const [lane] = plainLanes as [Lane];
  const { app, lost } = await startWithLost(t, lane, { DISCONNECT_GRACE_MS: "1" });
  const request = { message: "Go on", modelId: "scripted:1000x20" };
  const waiting = callJson(app, "SendMessage", request, bearer(lost));
  await untilMetrics(app, (metrics) => metrics.get(modelCalls) === 1);
  app.keys.revoke(lost);
  const { status, headers, json } = await waiting;
  assert.deepEqual([status, json.code], [401, "unauthenticated"]);
  assert.equal(headers["www-authenticate"], 'Bearer realm="chatwire"');
});
