import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { endTests } from "./store-end-tests.ts";
import { expiredTests } from "./store-expired-tests.ts";
import { forkTests } from "./store-fork-tests.ts";
import { listTests } from "./store-list-tests.ts";
import { sessionQuotaTests, tokenQuotaTests } from "./store-quota-tests.ts";
import { replacementTests } from "./store-replacement-tests.ts";
import { replayTests } from "./store-replay-tests.ts";
import { requestTests } from "./store-request-tests.ts";
import { alice, bob, newTurn, noUsage, sampleSession, sampleTurn } from "./store-samples.ts";
import { searchTests } from "./store-search-tests.ts";
import { allSessions, type CreateStore, fill, notFound, oldestFirst } from "./store-steps.ts";
import { turnTests } from "./store-turn-tests.ts";

/** What store.ts promises, on the store that `create` makes. */
export function storeSuite(name: string, create: CreateStore): void {
  describe(`store ${name}: sessions`, () => sessionTests(create));
  describe(`store ${name}: turns`, () => turnTests(create));
  describe(`store ${name}: ends`, () => endTests(create));
  describe(`store ${name}: edit, regenerate and continue`, () => replacementTests(create));
  describe(`store ${name}: stored turns`, () => replayTests(create));
  describe(`store ${name}: request ids`, () => requestTests(create));
  describe(`store ${name}: lists`, () => listTests(create));
  describe(`store ${name}: search`, () => searchTests(create));
  describe(`store ${name}: forks`, () => forkTests(create));
  describe(`store ${name}: sessions a principal may have`, () => sessionQuotaTests(create));
  describe(`store ${name}: tokens of a day`, () => tokenQuotaTests(create));
  describe(`store ${name}: what has expired`, () => expiredTests(create));
}

function sessionTests(create: CreateStore): void {
  test("a session comes back as it was created, with nothing made of it yet", async (t) => {
    const store = await create(t);
    const session = sampleSession({
      title: "naïve \u0000 😀",
      systemInstruction: "Be brief.\n",
      generation: { temperature: 0.5, stopSequences: ["\n\n"], includeThoughts: true },
      metadata: { origin: "test", __proto__x: "" },
    });
    assert.deepEqual(await store.createSession(session), session);
    const details = await store.getSession(alice, "s1");
    assert.ok(details?.etag);
    assert.deepEqual(details, {
      ...session,
      userMessages: 0,
      modelMessages: 0,
      usage: noUsage,
      lastSequence: 0,
      epoch: 1,
      runningTurnId: "",
      queuedTurnIds: [],
      forkedFromSessionId: "",
      etag: details.etag,
      preview: "",
    });
  });

  test("creating a session again changes nothing", async (t) => {
    const store = await create(t);
    await store.createSession(sampleSession({ title: "first" }));
    await store.createSession(sampleSession({ title: "second" }));
    await store.createSession(sampleSession({ title: "third", principal: bob }));
    assert.equal((await store.getSession(alice, "s1"))?.title, "first");
    assert.equal(await store.countSessions(alice), 1);
    assert.equal(await store.countSessions(bob), 0);
  });

  test("another principal's session is as if it did not exist", async (t) => {
    const store = await create(t);
    await store.createSession(sampleSession());
    assert.equal(await store.getSession(bob, "s1"), undefined);
    assert.equal(await store.deleteSession(bob, "s1", 9_000), false);
    assert.deepEqual((await store.listSessions(bob, allSessions)).items, []);
    await assert.rejects(store.listMessages(bob, "s1", oldestFirst), notFound);
    await assert.rejects(store.createTurn(newTurn(sampleTurn("t1", { principal: bob }))), notFound);
    assert.ok(await store.getSession(alice, "s1"));
  });

  test("deleting a session removes its turns and messages, and is safe to repeat", async (t) => {
    const store = await create(t);
    await store.createTurn(newTurn(sampleTurn("t1"), { session: sampleSession() }));
    await store.acquireTurn("s1", "me");
    await store.createTurn(newTurn(sampleTurn("t2")));
    assert.equal(await store.deleteSession(alice, "s1", 9_000), true);
    assert.equal(await store.deleteSession(alice, "s1", 9_000), false);
    assert.equal(await store.getSession(alice, "s1"), undefined);
    await assert.rejects(store.listMessages(alice, "s1", oldestFirst), notFound);
    assert.deepEqual(await store.unfinishedTurns(), []);
    assert.equal(await store.acquireTurn("s1", "me"), "idle");
    assert.equal(await store.withdrawTurn("s1", "t2"), false);
    assert.equal(await store.countSessions(alice), 0);
  });

  test("what was given or returned is not shared with the store", async (t) => {
    const store = await create(t);
    const session = sampleSession({ metadata: { a: "1" } });
    await store.createSession(session);
    session.title = "changed";
    const details = await store.getSession(alice, "s1");
    if (details !== undefined) details.title = "changed too";
    assert.equal((await store.getSession(alice, "s1"))?.title, "");
  });

  test("the check resolves", async (t) => {
    const store = await create(t);
    await store.check();
  });

  test("settings are changed, the others stay, and each change gives a new etag", async (t) => {
    const store = await create(t);
    const session = sampleSession({ title: "old", generation: { seed: 1 }, metadata: { a: "1" } });
    await store.createSession(session);
    const before = await store.getSession(alice, "s1");
    const renamed = await store.updateSession(alice, "s1", { title: "new" }, "", 2_000);
    assert.deepEqual(renamed, { ...before, title: "new", updatedAt: 2_000, etag: renamed.etag });
    assert.deepEqual(await store.getSession(alice, "s1"), renamed);
    const changes = {
      title: "",
      systemInstruction: "x",
      generation: { topK: 2 },
      metadata: {},
      model: "other",
    };
    const changed = await store.updateSession(alice, "s1", changes, renamed.etag, 1_500);
    assert.deepEqual(changed, { ...renamed, ...changes, etag: changed.etag });
    assert.equal(new Set([before?.etag, renamed.etag, changed.etag]).size, 3);
  });

  test("an etag that is not the session's changes nothing", async (t) => {
    const store = await create(t);
    await store.createSession(sampleSession());
    const before = await store.getSession(alice, "s1");
    await store.updateSession(alice, "s1", { title: "new" }, before?.etag ?? "", 2_000);
    const late = store.updateSession(alice, "s1", { title: "late" }, before?.etag ?? "", 3_000);
    await assert.rejects(late, { kind: "aborted", reason: "ETAG_MISMATCH" });
    assert.equal((await store.getSession(alice, "s1"))?.title, "new");
    await assert.rejects(store.updateSession(bob, "s1", { title: "x" }, "", 1), notFound);
    await assert.rejects(store.updateSession(alice, "s2", { title: "x" }, "", 1), notFound);
  });

  test("a turn changes no etag", async (t) => {
    const store = await create(t);
    await store.createSession(sampleSession());
    const before = await store.getSession(alice, "s1");
    await store.createTurn(newTurn(sampleTurn("t1")));
    assert.equal((await store.getSession(alice, "s1"))?.etag, before?.etag);
  });

  test("the epoch rises by one each time", async (t) => {
    const store = await create(t);
    await store.createSession(sampleSession());
    assert.equal(await store.raiseEpoch("s1"), 2);
    assert.equal(await store.raiseEpoch("s1"), 3);
    assert.equal((await store.getSession(alice, "s1"))?.epoch, 3);
  });

  test("a deleted session stays away while what it held is removed", async (t) => {
    const store = await create(t);
    await fill(store, "t1", "t2");
    await store.createTurn(newTurn(sampleTurn("t3")));
    await store.createSession(sampleSession({ sessionId: "s2" }));
    await store.tidy();
    await store.deleteSession(alice, "s1", 9_000);
    for (const removed of [false, true]) {
      if (removed) await store.tidy();
      assert.equal(await store.getSession(alice, "s1"), undefined);
      assert.equal(await store.getTurn(alice, "s1", "t1"), undefined);
      assert.equal(await store.getMessage(alice, "s1", "reply-t1"), undefined);
      assert.deepEqual(await store.turnsAfter("s1", 0, 10), []);
      assert.deepEqual(await store.unfinishedTurns(), []);
      assert.equal(await store.withdrawTurn("s1", "t3"), false);
      await store.replaceMessages("s1", ["reply-t1"], "t3");
      await assert.rejects(store.listMessages(alice, "s1", oldestFirst), notFound);
      await assert.rejects(store.createTurn(newTurn(sampleTurn("t4"))), notFound);
      await assert.rejects(store.updateSession(alice, "s1", {}, "", 1), notFound);
      await assert.rejects(store.raiseEpoch("s1"), notFound);
      const { items } = await store.listSessions(alice, allSessions);
      assert.deepEqual(
        items.map(({ sessionId }) => sessionId),
        ["s2"],
      );
    }
  });

  test("deleted sessions are told until their events are dropped", async (t) => {
    const store = await create(t);
    for (const sessionId of ["s1", "s2", "s3"]) {
      await store.createSession(sampleSession({ sessionId }));
    }
    await store.forgetDeleted("s3");
    for (const sessionId of ["s1", "s2"]) await store.deleteSession(alice, sessionId, 9_000);
    assert.deepEqual((await store.deletedSessions()).toSorted(), ["s1", "s2"]);
    await store.tidy();
    await store.forgetDeleted("s1");
    await store.forgetDeleted("s1");
    await store.forgetDeleted("unknown");
    assert.deepEqual(await store.deletedSessions(), ["s2"]);
    assert.ok(await store.getSession(alice, "s3"));
  });
}
