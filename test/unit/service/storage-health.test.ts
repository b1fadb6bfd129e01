import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setImmediate as nextLoop } from "node:timers/promises";
import { watchStorageHealth } from "../../../src/service/storage-health.ts";

/** A watch whose looks find what the test says, and what it has made of that. */
function open(t: TestContext) {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const told: unknown[] = [];
  let failure: Error | undefined;
  let isDraining = false;
  const close = watchStorageHealth({
    async check() {
      if (failure) throw failure;
    },
    health: { setAllServing: (serving) => told.push(serving) },
    isDraining: () => isDraining,
    onChange: (reason) => told.push(reason),
    everyMs: 1_000,
  });
  t.after(close);
  return {
    told,
    drain() {
      isDraining = true;
    },
    async lookAt(error: Error | undefined) {
      failure = error;
      t.mock.timers.tick(1_000);
      await nextLoop();
    },
  };
}

test("health says NOT_SERVING once while the storage fails, and SERVING once it is back", async (t) => {
  const { told, lookAt } = open(t);
  await lookAt(undefined);
  assert.deepEqual(told, []);
  const full = new Error("disk full");
  await lookAt(full);
  assert.deepEqual(told, [false, full]);
  await lookAt(new Error("still"));
  assert.deepEqual(told, [false, full]);
  await lookAt(undefined);
  assert.deepEqual(told, [false, full, true, undefined]);
});

test("a drain's NOT_SERVING is not taken back", async (t) => {
  const { told, lookAt, drain } = open(t);
  await lookAt(new Error("disk full"));
  drain();
  await lookAt(undefined);
  assert.equal(told.includes(true), false);
});
