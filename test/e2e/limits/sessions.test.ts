import assert from "node:assert/strict";
import { test } from "node:test";
import { binaryLanes } from "../../support/lanes.ts";
import { collectFailing, failureOf } from "../../support/wire.ts";
import { assertRefused, startLimited } from "./limited.ts";

const modelId = "scripted:say";

for (const lane of binaryLanes) {
  test(`so many sessions and no more; re-sends open none (${lane.name})`, async (t) => {
    const limited = await startLimited(t, { sessionsMax: 2 });
    const { aliceChat: alice, bobChat: bob } = limited.connect(lane);
    const { sessionId } = await alice.createSession({ modelId, requestId: "create" });
    const opened = await alice.sendMessage({ message: "one", modelId, requestId: "send" });
    for (const call of [
      failureOf(alice.createSession({ requestId: "another" })),
      failureOf(alice.forkSession({ sessionId })),
      failureOf(alice.sendMessage({ message: "two", modelId })),
      collectFailing(alice.streamChat({ message: "two", modelId })).then(({ error }) => error),
    ]) {
      const refused = assertRefused(await call, "TOO_MANY_SESSIONS", "SESSIONS_PER_PRINCIPAL_MAX");
      assert.equal(refused.retryMs, undefined);
    }
    const again = await alice.createSession({ modelId, requestId: "create" });
    assert.equal(again.sessionId, sessionId);
    const sent = await alice.sendMessage({ message: "one", modelId, requestId: "send" });
    assert.equal(sent.turnId, opened.turnId);
    // In the sessions that there are everything goes on.
    assert.equal((await alice.sendMessage({ sessionId, message: "Hi" })).text, "Hi");
    await bob.createSession({});

    await alice.deleteSession({ sessionId });
    await alice.createSession({ requestId: "another" });
  });
}
