import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { ChatError } from "../../../src/chat/errors.ts";
import { createRunningTurn, type OnDisconnect } from "../../../src/chat/running-turn.ts";
import { createTurn } from "../../support/engine.ts";

describe("a running turn", () => {
  for (const onDisconnect of ["grace", "cancel"] as const) {
    it(`is cancelled when its last call is gone, with on_disconnect ${onDisconnect}`, () => {
      const live = open(onDisconnect);
      const [first, second] = [new AbortController(), new AbortController()];
      live.attach(first.signal);
      live.attach(second.signal);
      first.abort();
      assert.equal(live.signal.aborted, false);
      second.abort();
      assert.deepEqual(live.signal.reason, { finishReason: "cancelled" });
    });
  }

  it("outlives its calls when it is to continue", () => {
    const live = open("continue");
    const call = new AbortController();
    live.attach(call.signal);
    call.abort();
    live.attach(AbortSignal.abort());
    assert.equal(live.signal.aborted, false);
  });

  it("is cancelled by a call that was gone before it was attached", () => {
    const live = open("grace");
    live.attach(AbortSignal.abort());
    assert.deepEqual(live.signal.reason, { finishReason: "cancelled" });
  });

  it("counts a call once, however often it is attached", () => {
    const live = open("grace");
    const call = new AbortController();
    live.attach(call.signal);
    live.attach(call.signal);
    assert.equal(getEventListeners(call.signal, "abort").length, 1);
    call.abort();
    assert.equal(live.signal.aborted, true);
  });

  it("keeps the first stop and the first fault", () => {
    const live = open("grace");
    const fault = new ChatError("unavailable", "STORAGE_UNAVAILABLE", "first");
    live.stop({ finishReason: "cancelled" });
    live.stop({ finishReason: "interrupted" });
    live.fail(fault);
    live.fail(new ChatError("unavailable", "STORAGE_UNAVAILABLE", "second"));
    assert.deepEqual(live.signal.reason, { finishReason: "cancelled" });
    assert.equal(live.fault.reason, fault);
  });

  it("lets its calls go when it is over, and is not stopped by them any more", async () => {
    const live = open("grace");
    const call = new AbortController();
    live.attach(call.signal);
    live.settle(undefined);
    assert.equal(await live.ended, undefined);
    assert.equal(getEventListeners(call.signal, "abort").length, 0);
    call.abort();
    assert.equal(live.signal.aborted, false);
  });
});

function open(onDisconnect: OnDisconnect) {
  return createRunningTurn(createTurn(), onDisconnect);
}
