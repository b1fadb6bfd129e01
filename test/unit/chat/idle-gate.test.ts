import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createIdleGate } from "../../../src/chat/idle-gate.ts";
import { createFakeTimers } from "../../support/fake-timers.ts";

describe("the idle gate", () => {
  it("is open while nothing is under way, and starts no timer then", async (t) => {
    const timers = createFakeTimers(t);
    await createIdleGate(() => true).wait(1_000);
    assert.equal(timers.started(), 0);
  });

  it("opens for everybody when the last thing is done, not before", async (t) => {
    const timers = createFakeTimers(t);
    let busy = 2;
    const gate = createIdleGate(() => busy === 0);
    const opened: string[] = [];
    const waiting = ["a", "b"].map((name) => gate.wait(1_000).then(() => opened.push(name)));
    for (const left of [1, 0]) {
      await Promise.resolve();
      assert.deepEqual(opened, []);
      busy = left;
      gate.check();
    }
    await Promise.all(waiting);
    assert.deepEqual(opened, ["a", "b"]);
    assert.equal(timers.running(), 0);
  });

  it("opens when the time is up", async (t) => {
    const timers = createFakeTimers(t);
    const waiting = createIdleGate(() => false).wait(1_000);
    timers.tick(1_000);
    await waiting;
  });
});
