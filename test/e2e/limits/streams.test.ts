import assert from "node:assert/strict";
import { test } from "node:test";
import { bidiLanes, binaryLanes } from "../../support/lanes.ts";
import { until } from "../../support/listener.ts";
import { openChat, openWatch } from "../../support/stream-call.ts";
import { collectFailing, failureOf } from "../../support/wire.ts";
import { assertRefused, startLimited } from "./limited.ts";

const modelId = "scripted:say";
const reason = "TOO_MANY_STREAMS";
const subject = "STREAMS_PER_PRINCIPAL_MAX";

for (const lane of binaryLanes) {
  test(`so many streams at once and no more (${lane.name})`, async (t) => {
    const limited = await startLimited(t, { streamsMax: 1 });
    const { aliceChat: alice, bobChat: bob } = limited.connect(lane);
    const { sessionId } = await alice.createSession({ modelId });
    const watch = openWatch(alice, { sessionId });
    await watch.update("live");
    for (const call of [
      collectFailing(alice.watchSession({ sessionId })).then(({ error }) => error),
      collectFailing(alice.streamChat({ sessionId, message: "Hi" })).then(({ error }) => error),
      failureOf(alice.sendMessage({ sessionId, message: "Hi" })),
    ]) {
      assert.equal(assertRefused(await call, reason, subject).retryMs, 5_000);
    }
    const other = openWatch(bob, { sessionList: true });
    await other.first(() => true);
    // What opens no stream is not counted: a turn is cancelled all the same.
    await alice.cancelTurn({ sessionId });
    assert.equal((await alice.listMessages({ sessionId })).messages.length, 0);
    watch.abort();
    // The server learns in its own time that the stream is gone.
    await until(() =>
      alice.sendMessage({ sessionId, message: "Hi" }).then(
        ({ text }) => text === "Hi",
        () => false,
      ),
    );
  });
}

for (const lane of bidiLanes.filter(({ tls }) => !tls)) {
  test(`a Chat stream is one of them (${lane.name})`, async (t) => {
    const limited = await startLimited(t, { streamsMax: 1 });
    const { aliceChat: alice } = limited.connect(lane);
    const watch = openWatch(alice, { sessionList: true });
    await watch.first(() => true);
    const chat = openChat(alice);
    const refused = await chat.ended;
    assert.ok(refused);
    assertRefused(refused, reason, subject);
  });
}
