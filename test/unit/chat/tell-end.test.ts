import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { tellEnd } from "../../../src/chat/tell-end.ts";

/** Gives 1 and 2, and then ends as it is told; notes that it was left. */
function source({ error, left = [] }: { error?: unknown; left?: string[] } = {}) {
  return (async function* () {
    try {
      yield 1;
      yield 2;
      if (error !== undefined) throw error;
    } finally {
      left.push("left");
    }
  })();
}

describe("tellEnd", () => {
  it("passes the values on, and tells that the source has ended", async () => {
    const told: string[] = [];
    const onError = () => assert.fail("it did not fail");
    const seen: number[] = [];
    for await (const value of tellEnd(source(), { onDone: () => told.push("done"), onError })) {
      seen.push(value);
      assert.deepEqual(told, []);
    }
    assert.deepEqual(seen, [1, 2]);
    assert.deepEqual(told, ["done"]);
  });

  it("throws what its listener makes of the source's error, also later", async () => {
    const onDone = () => assert.fail("it has not ended by itself");
    const onError = async (error: unknown) => new Error("told", { cause: error });
    const values = tellEnd(source({ error: "why" }), { onDone, onError });
    await values.next();
    await values.next();
    await assert.rejects(values.next(), { message: "told", cause: "why" });
  });

  it("lets the source go when its reader leaves, and tells no end", async () => {
    const left: string[] = [];
    const told = { onDone: () => left.push("done"), onError: (error: unknown) => error };
    for await (const value of tellEnd(source({ left }), told)) {
      assert.equal(value, 1);
      break;
    }
    assert.deepEqual(left, ["left"]);
  });
});
