import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAdmission } from "../../../src/admission/admission.ts";
import { createEventLoopMeter, judgeLoad, type Load } from "../../../src/admission/load.ts";
import { createTurnRate } from "../../../src/admission/turn-rate.ts";
import { localCaller } from "../../../src/chat/caller.ts";

function loadAt(streams: number, delayMs: number, eventLoopDelayMaxMs = 100): Load {
  return judgeLoad({
    openStreams: () => streams,
    streamsMax: 1_000,
    eventLoopDelayMaxMs,
    eventLoopDelayMs: () => delayMs,
  });
}

describe("the load", () => {
  test("near the ceiling of streams new turns are refused, at it new streams too", () => {
    assert.equal(loadAt(0, 0), "any");
    assert.equal(loadAt(900, 0), "any");
    assert.equal(loadAt(901, 0), "no_turns");
    assert.equal(loadAt(1_000, 0), "no_turns");
    assert.equal(loadAt(1_001, 0), "no_streams");
  });

  test("a late event loop refuses turns first, then streams", () => {
    assert.equal(loadAt(0, 100), "any");
    assert.equal(loadAt(0, 101), "no_turns");
    assert.equal(loadAt(0, 201), "no_streams");
  });

  test("0 never sheds by the event loop", () => {
    assert.equal(loadAt(0, 60_000, 0), "any");
  });

  test("the meter is quiet at the beginning, and stops when it is closed", () => {
    const meter = createEventLoopMeter();
    assert.equal(meter.meanMs(), 0);
    meter.close();
  });
});

describe("admission", () => {
  test("under load no turn is admitted, and none is counted", async () => {
    let load: Load = "no_turns";
    const admission = createAdmission({ load: () => load, rate: createTurnRate() });
    const caller = { ...localCaller, limits: { turnsPerMinuteMax: 1 } };
    await assert.rejects(admission.admitTurn(caller), {
      kind: "unavailable",
      reason: "SERVER_BUSY",
      retryable: true,
    });
    load = "any";
    await admission.admitTurn(caller);
    await assert.rejects(admission.admitTurn(caller), { reason: "TOO_MANY_TURNS_PER_MINUTE" });
    await admission.giveBack(caller);
    await admission.admitTurn(caller);
  });
});
