import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newId, systemClock } from "../../../src/chat/clock.ts";
import {
  addLane,
  createEngineContext,
  type EngineOptions,
  epochOf,
  listOf,
  openLane,
} from "../../../src/chat/engine-context.ts";
import { createModelCatalog } from "../../../src/chat/model-catalog.ts";
import { anonymous } from "../../../src/chat/session.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { openAdmission } from "../../support/admission.ts";
import { createCall } from "../../support/calls.ts";
import { createSession, openMemoryLog } from "../../support/engine.ts";
import { createFaulty } from "../../support/faults.ts";
import { settle } from "../../support/loops.ts";
import { createModel, createTestProvider, saying } from "../../support/models.ts";
import { silentRun } from "../../support/silent-run.ts";

describe("a session's lane", () => {
  it("is one as long as somebody uses it, and is forgotten then", async (t) => {
    const { context, session } = await open(t);
    const lane = await openLane(context, session);
    const call = createCall();
    lane.watch(call);
    assert.equal(await openLane(context, session), lane);
    await settle();
    assert.equal(context.lanes.size, 1);
    call.lose();
    await settle();
    assert.equal(context.lanes.size, 0);
  });

  it("is one however many open it at once", async (t) => {
    const { context, session } = await open(t);
    const lanes = await Promise.all([1, 2, 3].map(() => openLane(context, session)));
    assert.equal(new Set(lanes).size, 1);
  });

  it("that nobody uses is forgotten without a word", async (t) => {
    const { context } = await open(t);
    addLane(context, { sessionId: "never created", principal: anonymous, epoch: 1 });
    await settle();
    assert.equal(context.lanes.size, 0);
  });
});

describe("a session's epoch", () => {
  it("is what the store says while the log is whole", async (t) => {
    const { context, session } = await open(t);
    assert.equal(await epochOf(context, session), 1);
  });

  it("rises once where the log is behind, also for those who knew the session before", async (t) => {
    const { context, session } = await open(t);
    const behind = { ...session, lastSequence: 7 };
    const epochs = await Promise.all([epochOf(context, behind), epochOf(context, behind)]);
    assert.deepEqual(epochs, [2, 2]);
    assert.equal((await openLane(context, behind)).epoch, 2);
    assert.equal(await context.log.lastSequence("session"), 7);
    assert.equal((await context.store.getSession(anonymous, "session"))?.epoch, 2);
  });

  it("is looked at again where the storage failed under the look", async (t) => {
    const { context, session, faults } = await open(t);
    const behind = { ...session, lastSequence: 7 };
    faults.fail("raiseEpoch");
    await assert.rejects(epochOf(context, behind), { reason: "STORAGE_UNAVAILABLE" });
    faults.mend("raiseEpoch");
    assert.equal(await epochOf(context, behind), 2);
  });
});

describe("a principal's list", () => {
  it("is one as long as somebody listens, and is forgotten then", async (t) => {
    const { context } = await open(t);
    const listening = new AbortController();
    const options = {
      signal: listening.signal,
      bufferedMax: 1,
      onOverflow: () => new Error("full"),
    };
    const hub = listOf(context, anonymous);
    hub.listen(options);
    assert.equal(listOf(context, anonymous), hub);
    listening.abort();
    assert.equal(context.lists.size, 0);
    listOf(context, anonymous).listen(options);
    assert.equal(context.lists.size, 0);
  });
});

async function open(t: { after(close: () => Promise<void>): void }) {
  const log = await openMemoryLog();
  t.after(() => log.close());
  const { port: store, ...faults } = createFaulty(createMemoryStore());
  await store.createSession(createSession());
  const provider = createTestProvider(createModel(saying()));
  const options: EngineOptions = {
    store,
    log,
    models: createModelCatalog({ providers: [provider], defaultModel: "test" }),
    clock: systemClock,
    newId,
    timeouts: { firstChunkTimeoutMs: 1, idleChunkTimeoutMs: 1, turnTimeoutMs: 1 },
    runningTurnsMax: 1,
    queuedTurnsMax: 1,
    watchersMax: 1,
    disconnectGraceMs: 1,
    sessionTtlMs: 0,
    admission: openAdmission,
    owner: "test",
    observer: {
      turnStarted: () => silentRun,
      turnRefused: () => undefined,
      turnEnded: () => undefined,
      turnFailed: () => undefined,
      sessionsExpired: () => undefined,
      expiryFailed: () => undefined,
    },
  };
  const session = await store.getSession(anonymous, "session");
  assert.ok(session);
  return { context: createEngineContext(options), session, faults };
}
