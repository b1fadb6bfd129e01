import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createTurnRate } from "../../../src/admission/turn-rate.ts";
import { type CallerLimits, localCaller } from "../../../src/chat/caller.ts";
import { ChatError } from "../../../src/chat/errors.ts";

function caller(rateKey: string, limits: CallerLimits) {
  return { ...localCaller, rateKey, limits };
}

async function refusal(take: Promise<void>): Promise<ChatError> {
  const error = await take.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ChatError, String(error));
  return error;
}

describe("the rate of turns", () => {
  test("refuses one too many, and says which limit it is and how long to wait", async () => {
    const rate = createTurnRate();
    const alice = caller("alice", { turnsPerMinuteMax: 2 });
    await rate.take(alice);
    await rate.take(alice);
    const error = await refusal(rate.take(alice));
    assert.equal(error.kind, "resource_exhausted");
    assert.equal(error.reason, "TOO_MANY_TURNS_PER_MINUTE");
    assert.equal(error.retryable, true);
    assert.ok((error.retryAfterMs ?? 0) > 0 && (error.retryAfterMs ?? 0) <= 60_000);
    assert.deepEqual(error.quotas, [
      { subject: "TURNS_PER_MINUTE_MAX", description: "2 turns a minute" },
    ]);
  });

  test("counts each caller alone", async () => {
    const rate = createTurnRate();
    await rate.take(caller("alice", { turnsPerMinuteMax: 1 }));
    await rate.take(caller("bob", { turnsPerMinuteMax: 1 }));
    await refusal(rate.take(caller("alice", { turnsPerMinuteMax: 1 })));
  });

  test("what is given back may be taken again", async () => {
    const rate = createTurnRate();
    const alice = caller("alice", { turnsPerMinuteMax: 1 });
    await rate.take(alice);
    await rate.giveBack(alice);
    await rate.take(alice);
    await refusal(rate.take(alice));
  });

  test("what is given back in a later minute is no credit for it", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
    const rate = createTurnRate();
    const alice = caller("alice", { turnsPerMinuteMax: 1 });
    await rate.take(alice);
    t.mock.timers.tick(60_001);
    await rate.giveBack(alice);
    await rate.take(alice);
    await refusal(rate.take(alice));
  });

  test("no limit lets everything through, and 0 nothing", async () => {
    const rate = createTurnRate();
    for (let turn = 0; turn < 100; turn += 1) await rate.take(caller("free", {}));
    const error = await refusal(rate.take(caller("none", { turnsPerMinuteMax: 0 })));
    assert.equal(error.retryable, false);
  });
});
