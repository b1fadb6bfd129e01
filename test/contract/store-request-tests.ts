import assert from "node:assert/strict";
import { test } from "node:test";
import type { NewFork } from "../../src/chat/store.ts";
import { createFakeClock } from "./event-log-samples.ts";
import { alice, bob, keyOf, newTurn, sampleSession, sampleTurn } from "./store-samples.ts";
import {
  addTurn,
  type CreateStore,
  fill,
  listIds,
  notFound,
  requestIdReused,
  run,
} from "./store-steps.ts";

const dayMs = 24 * 60 * 60 * 1_000;

export function requestTests(create: CreateStore): void {
  function fork(sessionId: string, fields: Partial<NewFork> = {}): NewFork {
    let copies = 0;
    return {
      principal: alice,
      fromSessionId: "s1",
      upToMessageId: "",
      sessionId,
      title: "fork",
      createdAt: 5_000,
      newMessageId() {
        copies += 1;
        return `${sessionId}-${copies}`;
      },
      ...fields,
    };
  }

  test("a key used again gives the turn that it was used for, and creates nothing", async (t) => {
    const store = await create(t);
    const requestKey = keyOf("r1");
    const session = sampleSession();
    await addTurn(store, sampleTurn("t1"), { session, requestKey });
    const again = newTurn(sampleTurn("t2", { sessionId: "s2" }), {
      session: sampleSession({ sessionId: "s2" }),
      requestKey,
    });
    const found = { turnId: "t1", sessionId: "s1" };
    assert.deepEqual(await store.createTurn(again), { outcome: "repeated", ...found });
    assert.equal(await store.getSession(alice, "s2"), undefined);
    assert.deepEqual(await store.findRequest(alice, requestKey), found);
    assert.deepEqual(await store.findTurnByRequestId(alice, "r1"), found);
    await run(store, "t1");
    assert.deepEqual(await store.createTurn(again), { outcome: "repeated", ...found });
    assert.deepEqual(await listIds(store), ["question-t1", "reply-t1"]);
  });

  test("of two that race with one key one makes the turn", async (t) => {
    const store = await create(t);
    await store.createSession(sampleSession());
    const requestKey = keyOf("r1");
    const turns = ["t1", "t2"].map((name) => newTurn(sampleTurn(name), { requestKey }));
    const outcomes = await Promise.all(turns.map((turn) => store.createTurn(turn)));
    assert.deepEqual(outcomes, [
      { outcome: "created" },
      { outcome: "repeated", turnId: "t1", sessionId: "s1" },
    ]);
    assert.equal((await store.unfinishedTurns()).length, 1);
  });

  test("another payload under a key is refused", async (t) => {
    const store = await create(t);
    await addTurn(store, sampleTurn("t1"), { session: sampleSession(), requestKey: keyOf("r1") });
    const other = keyOf("r1", "other");
    const turn = newTurn(sampleTurn("t2"), { requestKey: other });
    await assert.rejects(store.createTurn(turn), requestIdReused);
    await assert.rejects(store.findRequest(alice, other), requestIdReused);
    assert.equal(await store.findRequest(alice, keyOf("r2")), undefined);
    assert.equal(await store.findTurnByRequestId(alice, "r2"), undefined);
  });

  test("a key is its principal's own", async (t) => {
    const store = await create(t);
    const requestKey = keyOf("r1");
    await addTurn(store, sampleTurn("t1"), { session: sampleSession(), requestKey });
    const session = sampleSession({ sessionId: "s2", principal: bob });
    const turn = sampleTurn("t2", { sessionId: "s2", principal: bob });
    assert.equal(await store.findRequest(bob, requestKey), undefined);
    await addTurn(store, turn, { session, requestKey });
    const found = { turnId: "t2", sessionId: "s2" };
    assert.deepEqual(await store.findTurnByRequestId(bob, "r1"), found);
  });

  test("a key is good for one kind of request", async (t) => {
    const store = await create(t);
    const requestKey = keyOf("r1");
    await store.createSession(sampleSession(), requestKey);
    await assert.rejects(store.findRequest(alice, requestKey), requestIdReused);
    const turn = newTurn(sampleTurn("t1"), { requestKey });
    await assert.rejects(store.createTurn(turn), requestIdReused);
    await assert.rejects(store.forkSession(fork("s2", { requestKey })), requestIdReused);
    assert.equal(await store.findTurnByRequestId(alice, "r1"), undefined);
  });

  test("a session and a fork are made once under a key", async (t) => {
    const store = await create(t);
    const first = await store.createSession(sampleSession({ title: "one" }), keyOf("r1"));
    const second = sampleSession({ sessionId: "s2", title: "two" });
    assert.deepEqual(await store.createSession(second, keyOf("r1")), first);
    await assert.rejects(store.createSession(second, keyOf("r1", "other")), requestIdReused);
    const made = await store.forkSession(fork("s3", { requestKey: keyOf("r2") }));
    await store.deleteSession(alice, "s1", 9_000);
    const again = await store.forkSession(fork("s4", { requestKey: keyOf("r2") }));
    assert.deepEqual(again, made);
    assert.equal(await store.countSessions(alice), 1);
  });

  test("a request that is refused does not use its key up", async (t) => {
    const store = await create(t);
    const requestKey = keyOf("r1");
    const turn = newTurn(sampleTurn("t1"), { requestKey });
    await assert.rejects(store.createTurn(turn), notFound);
    await assert.rejects(store.forkSession(fork("s2", { requestKey })), notFound);
    await store.createSession(sampleSession());
    assert.deepEqual(await store.createTurn(turn), { outcome: "created" });
  });

  test("a key outlives its session by a day, and says that it is gone", async (t) => {
    const clock = createFakeClock();
    const store = await create(t, clock);
    const keys = ["r1", "r2", "r3"].map((requestId) => keyOf(requestId));
    const [turnKey, sessionKey, forkKey] = keys;
    await store.createSession(sampleSession(), sessionKey);
    await addTurn(store, sampleTurn("t1"), { ...(turnKey && { requestKey: turnKey }) });
    await store.forkSession(fork("s2", { ...(forkKey && { requestKey: forkKey }) }));
    for (const sessionId of ["s1", "s2"]) {
      assert.equal(await store.deleteSession(alice, sessionId, clock.now()), true);
      await store.forgetDeleted(sessionId);
    }
    const reuse = async () => {
      const session = sampleSession({ sessionId: "s3" });
      const turn = sampleTurn("t3", { sessionId: "s3" });
      const requestKey = keyOf("r1");
      await assert.rejects(store.createTurn(newTurn(turn, { session, requestKey })), notFound);
      await assert.rejects(store.findRequest(alice, requestKey), notFound);
      await assert.rejects(store.findTurnByRequestId(alice, "r1"), notFound);
      await assert.rejects(store.createSession(session, keyOf("r2")), notFound);
      await assert.rejects(store.forkSession(fork("s4", { requestKey: keyOf("r3") })), notFound);
      await assert.rejects(store.findRequest(alice, keyOf("r1", "other")), requestIdReused);
    };
    await reuse();
    clock.advance(dayMs - 1);
    await store.tidy();
    await reuse();
    clock.advance(1);
    await store.tidy();
    for (const key of keys) assert.equal(await store.findRequest(alice, key), undefined);
    const turn = sampleTurn("t3", { sessionId: "s3" });
    const session = sampleSession({ sessionId: "s3" });
    await addTurn(store, turn, { session, requestKey: keyOf("r1") });
  });

  test("what has passed for one deleted session leaves the keys of others", async (t) => {
    const clock = createFakeClock();
    const store = await create(t, clock);
    await fill(store, "t1");
    await addTurn(store, sampleTurn("t2"), { requestKey: keyOf("r1") });
    const session = sampleSession({ sessionId: "s2" });
    const turn = sampleTurn("t3", { sessionId: "s2" });
    await addTurn(store, turn, { session, requestKey: keyOf("r2") });
    await store.deleteSession(alice, "s2", clock.now());
    await store.forgetDeleted("s2");
    clock.advance(dayMs);
    await store.tidy();
    assert.equal(await store.findTurnByRequestId(alice, "r2"), undefined);
    const found = { turnId: "t2", sessionId: "s1" };
    assert.deepEqual(await store.findTurnByRequestId(alice, "r1"), found);
  });
}
