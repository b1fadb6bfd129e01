import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { storageUnavailable } from "../../../src/chat/errors.ts";
import type { Watched } from "../../../src/chat/watch-session.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { kindsOf, openEngine, openMemoryLog } from "../../support/engine.ts";
import { createFaulty } from "../../support/faults.ts";

describe("a turn that opens its session", () => {
  it("tells the list of the session before it tells that it runs", async (t) => {
    const { engine, watch, ask, start } = await openEngine(t);
    const updates = watch({ sessionList: true });
    assert.deepEqual(kindsOf([(await updates.next()).value as Watched]), ["watching"]);
    const turn = await start({ requestId: "r" });
    const seen: Watched[] = [];
    for await (const update of updates) {
      seen.push(update);
      if (seen.length === 3) break;
    }
    assert.deepEqual(kindsOf(seen), ["session_created", "session_running", "session_idle"]);
    assert.ok(seen.every((update) => "sessionId" in update && update.sessionId === turn.sessionId));
    await ask({ requestId: "r" });
    assert.equal(engine.stats().sessionsCreated, 1, "a re-send opens none");
  });

  it("tells of the session, and counts it, also where its turn's place cannot be recorded", async (t) => {
    const { port: store, ...storeFaults } = createFaulty(createMemoryStore());
    const { port: log, ...logFaults } = createFaulty(await openMemoryLog());
    const { engine, watch, start } = await openEngine(t, { store, log });
    const updates = watch({ sessionList: true });
    await updates.next();
    // The session and its turn are there, and nothing more can be said of them for now.
    storeFaults.fail("acquireTurn", storageUnavailable(new Error("disk full")), 1);
    logFaults.fail("append", storageUnavailable(new Error("disk full")), 1);
    await assert.rejects(start(), { reason: "STORAGE_UNAVAILABLE" });
    const first = (await updates.next()).value as Watched;
    assert.deepEqual(kindsOf([first]), ["session_created"]);
    assert.equal(engine.stats().sessionsCreated, 1);
  });
});
