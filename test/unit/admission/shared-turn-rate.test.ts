import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createTurnRate, type TurnRate } from "../../../src/admission/turn-rate.ts";
import { type Caller, localCaller } from "../../../src/chat/caller.ts";

/** One principal by a credential with this limit; undefined is none. */
function credential(turnsPerMinuteMax: number | undefined): Caller {
  const limits = turnsPerMinuteMax === undefined ? {} : { turnsPerMinuteMax };
  return { ...localCaller, rateKey: "key:ada", limits };
}

async function isTaken(rate: TurnRate, caller: Caller): Promise<boolean> {
  return rate.take(caller).then(
    () => true,
    () => false,
  );
}

describe("the rate of turns of two credentials with one principal", () => {
  test("has one count, that each is refused against by its own limit", async () => {
    const rate = createTurnRate();
    const [narrow, wide] = [credential(2), credential(3)];
    assert.equal(await isTaken(rate, wide), true);
    assert.equal(await isTaken(rate, narrow), true);
    assert.equal(await isTaken(rate, narrow), false);
    assert.equal(await isTaken(rate, wide), true);
    assert.equal(await isTaken(rate, wide), false);
    assert.equal(await isTaken(rate, narrow), false);
  });

  test("counts the turns of one without a limit, too", async () => {
    const rate = createTurnRate();
    assert.equal(await isTaken(rate, credential(undefined)), true);
    assert.equal(await isTaken(rate, credential(1)), false);
    assert.equal(await isTaken(rate, credential(undefined)), true);
    assert.equal(await isTaken(rate, credential(0)), false);
  });

  test("many that are refused at once take no turn from the other", async () => {
    const rate = createTurnRate();
    const [narrow, wide] = [credential(1), credential(3)];
    assert.equal(await isTaken(rate, narrow), true);
    const refused = Array.from({ length: 50 }, () => isTaken(rate, narrow));
    const taken = await Promise.all([isTaken(rate, wide), isTaken(rate, wide)]);
    assert.deepEqual(taken, [true, true]);
    assert.ok(!(await Promise.all(refused)).includes(true));
    assert.equal(await isTaken(rate, wide), false);
  });

  test("what one gives back the other may take", async () => {
    const rate = createTurnRate();
    const [narrow, wide] = [credential(1), credential(2)];
    await rate.take(wide);
    assert.equal(await isTaken(rate, narrow), false);
    await rate.giveBack(wide);
    assert.equal(await isTaken(rate, narrow), true);
  });

  test("of many that ask at once no more are let in than the limit", async () => {
    const rate = createTurnRate();
    const taken = await Promise.all(Array.from({ length: 20 }, () => isTaken(rate, credential(3))));
    assert.equal(taken.filter(Boolean).length, 3);
  });
});
