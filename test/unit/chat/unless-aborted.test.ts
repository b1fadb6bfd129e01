import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { unlessAborted } from "../../../src/chat/unless-aborted.ts";

describe("waiting unless aborted", () => {
  it("gives what the promise gives, and leaves no listener", async () => {
    const { signal } = new AbortController();
    assert.equal(await unlessAborted(Promise.resolve(1), signal), 1);
    const error = new Error("broken");
    await assert.rejects(unlessAborted(Promise.reject(error), signal), error);
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });

  it("throws the signal's reason as soon as it aborts, and where it has", async () => {
    const leaving = new AbortController();
    const waiting = unlessAborted(new Promise<never>(() => {}), leaving.signal);
    const reason = new Error("left");
    leaving.abort(reason);
    await assert.rejects(waiting, reason);
    await assert.rejects(unlessAborted(Promise.resolve(1), leaving.signal), reason);
    assert.equal(getEventListeners(leaving.signal, "abort").length, 0);
  });
});
