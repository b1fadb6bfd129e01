import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openEngine } from "../../support/engine.ts";

describe("the turn that a cancel has meant", () => {
  it("is named where it has ended, and by no name where the session has none such", async (t) => {
    const { start, read, createSession, cancel } = await openEngine(t);
    const other = await createSession();
    const turn = await start({ requestId: "r" });
    await read(turn);
    const { sessionId, turnId } = turn;
    const known = { cancelled: false, turnId };
    const none = { cancelled: false, turnId: "" };
    assert.deepEqual(await cancel(sessionId, turnId), known);
    assert.deepEqual(await cancel(sessionId, "", "r"), known);
    assert.deepEqual(await cancel("", "", "r"), known);
    assert.deepEqual(await cancel(sessionId), none);
    assert.deepEqual(await cancel(sessionId, "nope"), none);
    assert.deepEqual(await cancel(sessionId, "", "nope"), none);
    assert.deepEqual(await cancel("", "", "nope"), none);
    assert.deepEqual(await cancel(other, turnId), none);
    assert.deepEqual(await cancel(other, "", "r"), none);
  });
});
