import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { createPace } from "../../../src/model/pace.ts";
import { sleep } from "../../../src/model/sleep.ts";

test("a sleep that is aborted resolves at once and leaves nothing", {
  timeout: 5_000,
}, async () => {
  const controller = new AbortController();
  const slept = sleep(1_000_000, controller.signal);
  assert.equal(getEventListeners(controller.signal, "abort").length, 1);
  controller.abort();
  await slept;
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  await sleep(1_000_000, controller.signal);
});

test("a sleep that has ended leaves no listener", async () => {
  const { signal } = new AbortController();
  await sleep(1, signal);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("a part due in a month is waited for in turns that a timer can hold", async () => {
  let nowMs = 0;
  const pauses: number[] = [];
  const due = createPace(3_000_000_000, new AbortController().signal, {
    clock: { now: () => 0, monotonicMs: () => nowMs },
    sleep: async (ms) => {
      pauses.push(ms);
      nowMs += ms;
    },
  });
  await due(1);
  assert.deepEqual(pauses, [2_147_483_647, 852_516_353]);
});
