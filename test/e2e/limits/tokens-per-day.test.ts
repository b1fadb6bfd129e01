import assert from "node:assert/strict";
import { test } from "node:test";
import { binaryLanes } from "../../support/lanes.ts";
import { collectFailing, failureOf } from "../../support/wire.ts";
import { assertRefused, startLimited } from "./limited.ts";

const modelId = "scripted:say";
const dayMs = 86_400_000;

for (const lane of binaryLanes) {
  test(`who has used a day's tokens waits for the next; re-sends do not (${lane.name})`, async (t) => {
    const limited = await startLimited(t, { tokensPerDayMax: 1 });
    const { aliceChat: alice, bobChat: bob } = limited.connect(lane);
    const first = await alice.sendMessage({ message: "one", modelId, requestId: "1" });
    assert.ok(first.usage && first.usage.inputTokens + first.usage.outputTokens > 0);
    const { sessionId } = first;
    for (const call of [
      failureOf(alice.sendMessage({ sessionId, message: "two" })),
      collectFailing(alice.streamChat({ message: "two", modelId })).then(({ error }) => error),
    ]) {
      const { retryMs = 0 } = assertRefused(await call, "TOKENS_USED_UP", "TOKENS_PER_DAY_MAX");
      assert.ok(retryMs > 0 && retryMs <= dayMs);
    }
    const again = await alice.sendMessage({ message: "one", modelId, requestId: "1" });
    assert.equal(again.turnId, first.turnId);
    assert.equal((await bob.sendMessage({ message: "Hi", modelId })).text, "Hi");
  });
}
