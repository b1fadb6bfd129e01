import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatResponse_Type, OnBusy } from "../../../src/gen/chat/chat_pb.ts";
import { callJson, startApp } from "../../support/app.ts";
import { bidiLanes, binaryLanes } from "../../support/lanes.ts";
import { until } from "../../support/listener.ts";
import { openChat, openStreamChat } from "../../support/stream-call.ts";
import { collect, collectFailing, failureOf, replyOf } from "../../support/wire.ts";
import { assertRefused, startLimited } from "./limited.ts";

const modelId = "scripted:say";
const reason = "TOO_MANY_TURNS_PER_MINUTE";
const subject = "TURNS_PER_MINUTE_MAX";

for (const lane of binaryLanes) {
  test(`so many turns a minute and no more; re-sends are none (${lane.name})`, async (t) => {
    const limited = await startLimited(t, { turnsPerMinuteMax: 2 });
    const { aliceChat: alice, bobChat: bob } = limited.connect(lane);
    const first = await alice.sendMessage({ message: "one", modelId, requestId: "1" });
    const { sessionId } = first;
    await collect(alice.streamChat({ sessionId, message: "two", requestId: "2" }));

    for (const call of [
      failureOf(alice.sendMessage({ sessionId, message: "three", requestId: "3" })),
      collectFailing(alice.streamChat({ sessionId, message: "three" })).then(({ error }) => error),
      failureOf(alice.sendMessage({ message: "three", modelId })),
    ]) {
      const { retryMs = 0 } = assertRefused(await call, reason, subject);
      assert.ok(retryMs > 0 && retryMs <= 60_000);
    }
    const again = await alice.sendMessage({ message: "one", modelId, requestId: "1" });
    assert.equal(again.turnId, first.turnId);
    const stream = alice.streamChat({ sessionId, message: "two", requestId: "2" });
    assert.equal(replyOf(await collect(stream)), "two");

    assert.equal((await bob.sendMessage({ message: "Hi", modelId })).text, "Hi");
    assert.equal((await alice.listSessions({})).activeSessions, 1, "a refusal opens no session");
  });
}

test("twins that come at once are one turn, and none of them is refused", async (t) => {
  const limited = await startLimited(t, { turnsPerMinuteMax: 5 });
  const { aliceChat: alice } = limited.connect(binaryLanes[0] ?? assert.fail());
  for (const turn of ["1", "2", "3", "4", "5"]) {
    const request = { message: "Hi", modelId, requestId: turn };
    const twins = await Promise.all(Array.from({ length: 6 }, () => alice.sendMessage(request)));
    assert.equal(new Set(twins.map(({ turnId }) => turnId)).size, 1);
  }
  assertRefused(await failureOf(alice.sendMessage({ message: "Hi", modelId })), reason, subject);
});

for (const lane of bidiLanes.filter(({ tls }) => !tls)) {
  test(`a Chat stream is told by an ERROR event and goes on (${lane.name})`, async (t) => {
    const limited = await startLimited(t, { turnsPerMinuteMax: 1 });
    const { aliceChat: alice } = limited.connect(lane);
    const { sessionId } = await alice.createSession({ modelId });
    const call = openChat(alice);
    await call.send({ sessionId, message: "one", requestId: "1" });
    await call.firstOf(ChatResponse_Type.RESPONSE_COMPLETE);
    await call.send({ message: "two", requestId: "2" });
    const error = await call.firstOf(ChatResponse_Type.ERROR);
    assert.deepEqual(
      [error.errorReason, error.requestId, error.sequence, error.retryable],
      [reason, "2", 0n, true],
    );
    assert.ok(error.retryAfterMs > 0);
    await call.send({ type: 1, requestId: "ping" });
    await call.firstOf(ChatResponse_Type.PONG);
    // The re-send is read from its turn's beginning.
    const told = call.recorded().length;
    await call.send({ message: "one", requestId: "1" });
    call.halfClose();
    assert.equal(await call.ended, undefined);
    assert.equal(call.recorded().length, 2 * told);
  });
}

const [lane] = binaryLanes;
assert.ok(lane);

test("a request that is refused has not used its request_id up", async (t) => {
  const limited = await startLimited(t, { turnsPerMinuteMax: 0 });
  const { aliceChat: alice } = limited.connect(lane);
  const request = { message: "Hi", modelId, requestId: "1" };
  const refused = await failureOf(alice.sendMessage(request));
  assert.equal(assertRefused(refused, reason, subject).retryMs, undefined);
  limited.keys.change(limited.alice, { limits: { turnsPerMinuteMax: 1 } });
  await until(() =>
    alice.sendMessage({ ...request, message: "Another" }).then(
      ({ text }) => text === "Another",
      () => false,
    ),
  );
});

test("a turn that does not come to be is given back", async (t) => {
  const limited = await startLimited(t, { turnsPerMinuteMax: 2 });
  const { aliceChat: alice } = limited.connect(lane);
  const { sessionId } = await alice.createSession({ modelId: "scripted:9x1!hang@1" });
  const call = openStreamChat(alice, { sessionId, message: "one" });
  await call.firstOf(ChatResponse_Type.CHUNK);
  for (let tries = 0; tries < 3; tries += 1) {
    const request = { sessionId, message: "no", onBusy: OnBusy.REJECT };
    await failureOf(alice.sendMessage(request));
    await failureOf(alice.sendMessage({ message: "Hi", modelId: "unknown" }));
  }
  await alice.cancelTurn({ sessionId });
  assert.equal(await call.ended, undefined);
  assert.equal((await alice.sendMessage({ message: "two", modelId })).text, "two");
  const refused = await failureOf(alice.sendMessage({ message: "three", modelId }));
  assertRefused(refused, reason, subject);
});

test("over HTTP it is a 429 with Retry-After; the server's own limit holds for everybody", async (t) => {
  const app = await startApp(t, { env: { TURNS_PER_MINUTE_MAX: "1" } });
  await callJson(app, "SendMessage", { message: "Hi", modelId });
  const refused = await callJson(app, "SendMessage", { message: "Hi", modelId });
  assert.equal(refused.status, 429);
  const seconds = Number(refused.headers["retry-after"]);
  assert.ok(Number.isInteger(seconds) && seconds > 0 && seconds <= 60, `${seconds}`);
});
