import assert from "node:assert/strict";
import { test } from "node:test";
import { alice, bob, newTurn, sampleEnd, sampleSession, sampleTurn } from "./store-samples.ts";
import {
  acquire,
  addTurn,
  type CreateStore,
  fill,
  listIds,
  notFound,
  oldestFirst,
  run,
} from "./store-steps.ts";

export function turnTests(create: CreateStore): void {
  test("a new turn brings its message and, where it opens one, its session", async (t) => {
    const store = await create(t);
    const traceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const turn = sampleTurn("t1", { generation: { seed: 7 }, chunkBy: "word", traceParent });
    await store.createTurn(newTurn(turn, { session: sampleSession() }));
    const details = await store.getSession(alice, "s1");
    assert.equal(details?.userMessages, 1);
    assert.deepEqual(details?.queuedTurnIds, ["t1"]);
    assert.equal(details?.preview, "ask t1");
    assert.equal(details?.updatedAt, 2_000);
    const { items } = await store.listMessages(alice, "s1", oldestFirst);
    assert.deepEqual(items, [{ ...turn.userMessage, state: "queued" }]);
    assert.deepEqual(await store.unfinishedTurns(), [{ turn, state: "queued", fence: 0 }]);
  });

  test("a turn of an unknown session is not found, and leaves nothing behind", async (t) => {
    const store = await create(t);
    await assert.rejects(store.createTurn(newTurn(sampleTurn("t1"))), notFound);
    assert.deepEqual(await store.unfinishedTurns(), []);
  });

  test("creating a turn again changes nothing, whatever has become of it", async (t) => {
    const store = await create(t);
    const first = newTurn(sampleTurn("t1"), { session: sampleSession() });
    const repeated = { outcome: "repeated", turnId: "t1", sessionId: "s1" };
    assert.deepEqual(await store.createTurn(first), { outcome: "created" });
    assert.deepEqual(await store.createTurn(first), repeated);
    assert.equal((await store.getSession(alice, "s1"))?.userMessages, 1);
    const acquired = await store.acquireTurn("s1", "me");
    assert.ok(typeof acquired === "object");
    assert.deepEqual(await store.createTurn(first), repeated);
    await store.endTurn(sampleEnd("t1", acquired.fence));
    assert.deepEqual(await store.createTurn(first), repeated);
    assert.equal(await store.acquireTurn("s1", "me"), "idle");
    assert.equal((await store.listMessages(alice, "s1", oldestFirst)).items.length, 2);
  });

  test("turns are acquired oldest first, one at a time, each with a higher fence", async (t) => {
    const store = await create(t);
    assert.equal(await store.acquireTurn("s1", "me"), "idle");
    await store.createTurn(newTurn(sampleTurn("t1"), { session: sampleSession() }));
    await store.createTurn(newTurn(sampleTurn("t2")));
    const first = await store.acquireTurn("s1", "me");
    assert.ok(typeof first === "object");
    assert.equal(first.turn.turnId, "t1");
    assert.equal(first.turn.userMessage.state, "complete");
    assert.equal(await store.acquireTurn("s1", "other"), "busy");
    const details = await store.getSession(alice, "s1");
    assert.equal(details?.runningTurnId, "t1");
    assert.deepEqual(details?.queuedTurnIds, ["t2"]);
    await store.endTurn(sampleEnd("t1", first.fence));
    const second = await store.acquireTurn("s1", "me");
    assert.ok(typeof second === "object");
    assert.equal(second.turn.turnId, "t2");
    assert.ok(second.fence > first.fence);
    await store.endTurn(sampleEnd("t2", second.fence));
    assert.equal(await store.acquireTurn("s1", "me"), "idle");
    assert.equal((await store.getSession(alice, "s1"))?.runningTurnId, "");
  });

  test("a turn created and acquired in one tick is acquired", async (t) => {
    const store = await create(t);
    const created = store.createTurn(newTurn(sampleTurn("t1"), { session: sampleSession() }));
    const acquired = await store.acquireTurn("s1", "me");
    await created;
    assert.ok(typeof acquired === "object");
    assert.equal(acquired.turn.turnId, "t1");
  });

  test("of many that acquire at once one gets the turn", async (t) => {
    const store = await create(t);
    await store.createTurn(newTurn(sampleTurn("t1"), { session: sampleSession() }));
    const owners = ["a", "b", "c"];
    const all = await Promise.all(owners.map((owner) => store.acquireTurn("s1", owner)));
    assert.equal(all.filter((one) => typeof one === "object").length, 1);
    assert.equal(all.filter((one) => one === "busy").length, 2);
  });

  test("turns without an end are found, oldest first, with state and fence", async (t) => {
    const store = await create(t);
    const session = sampleSession({ sessionId: "s2" });
    await store.createTurn(
      newTurn(sampleTurn("t2", { sessionId: "s2", createdAt: 2_002 }), { session }),
    );
    await store.createTurn(
      newTurn(sampleTurn("t1", { createdAt: 2_001 }), { session: sampleSession() }),
    );
    await store.createTurn(newTurn(sampleTurn("t3", { createdAt: 2_003 })));
    const acquired = await store.acquireTurn("s1", "me");
    assert.ok(typeof acquired === "object");
    const found = await store.unfinishedTurns();
    assert.deepEqual(
      found.map(({ turn, state, fence }) => [turn.turnId, state, fence]),
      [
        ["t1", "running", acquired.fence],
        ["t2", "queued", 0],
        ["t3", "queued", 0],
      ],
    );
    assert.deepEqual(found[0]?.turn, acquired.turn);
  });

  test("a turn at the head runs before those that wait, and its message stands before theirs", async (t) => {
    const store = await create(t);
    await addTurn(store, sampleTurn("t1"), { session: sampleSession() });
    const running = await acquire(store);
    await addTurn(store, sampleTurn("t2"));
    await addTurn(store, sampleTurn("t3"));
    await addTurn(store, sampleTurn("t4"), { atHead: true });
    await addTurn(store, sampleTurn("t5"), { atHead: true });
    await addTurn(store, sampleTurn("t6"));
    const order = ["t5", "t4", "t2", "t3", "t6"];
    const details = await store.getSession(alice, "s1");
    assert.deepEqual(details?.queuedTurnIds, order);
    assert.equal(details?.preview, "ask t6");
    const questions = order.map((name) => `question-${name}`);
    assert.deepEqual(await listIds(store), ["question-t1", ...questions]);
    await store.endTurn(sampleEnd("t1", running.fence));
    for (const name of order) await run(store, name);
    assert.equal(await store.acquireTurn("s1", "me"), "idle");
  });

  test("a turn at the head of an empty queue is followed by the next", async (t) => {
    const store = await create(t);
    await addTurn(store, sampleTurn("t1"), { session: sampleSession(), atHead: true });
    await addTurn(store, sampleTurn("t2"));
    for (const name of ["t1", "t2"]) await run(store, name);
  });

  test("the queue is bounded, and what it refuses leaves nothing behind", async (t) => {
    const store = await create(t);
    await addTurn(store, sampleTurn("t1"), { session: sampleSession(), queuedTurnsMax: 0 });
    await acquire(store);
    await addTurn(store, sampleTurn("t2"), { queuedTurnsMax: 2 });
    await addTurn(store, sampleTurn("t3"), { queuedTurnsMax: 2 });
    const before = await store.getSession(alice, "s1");
    const full = newTurn(sampleTurn("t4"), { queuedTurnsMax: 2, atHead: true });
    await assert.rejects(store.createTurn(full), {
      kind: "resource_exhausted",
      reason: "QUEUE_FULL",
      retryable: true,
      retryAfterMs: 1_000,
    });
    assert.deepEqual(await store.getSession(alice, "s1"), before);
    assert.equal(await store.withdrawTurn("s1", "t2"), true);
    assert.deepEqual(await store.createTurn(full), { outcome: "created" });
  });

  test("an acquired turn says how many messages the history has", async (t) => {
    const store = await create(t);
    await fill(store, "t1");
    for (const name of ["t2", "t3", "t4"]) await addTurn(store, sampleTurn(name));
    assert.equal(await store.withdrawTurn("s1", "t4"), true);
    assert.equal((await acquire(store)).messages, 3);
  });

  test("a withdrawn turn leaves the history, and is ended beside the one that runs", async (t) => {
    const store = await create(t);
    await addTurn(store, sampleTurn("t1"), { session: sampleSession() });
    const running = await acquire(store);
    const turn = sampleTurn("t2");
    await addTurn(store, turn);
    assert.equal(await store.withdrawTurn("s1", "t2"), true);
    assert.equal(await store.withdrawTurn("s1", "t2"), false);
    const details = await store.getSession(alice, "s1");
    assert.equal(details?.userMessages, 1);
    assert.equal(details?.preview, "ask t1");
    assert.equal(details?.runningTurnId, "t1");
    assert.deepEqual(details?.queuedTurnIds, []);
    assert.deepEqual(await listIds(store), ["question-t1"]);
    assert.equal(await store.getMessage(alice, "s1", "question-t2"), undefined);
    const withdrawn = { ...turn, userMessage: { ...turn.userMessage, state: "complete" } };
    const unfinished = await store.unfinishedTurns();
    assert.deepEqual(unfinished[1], { turn: withdrawn, state: "running", fence: 0 });
    const end = sampleEnd("t2", 0, { finishReason: "cancelled", parts: [], sequence: 9 });
    await store.endTurn(end);
    await store.endTurn({ ...end, finishReason: "interrupted" });
    assert.deepEqual(await store.getTurn(alice, "s1", "t2"), {
      turn: withdrawn,
      state: "ended",
      fence: 0,
      end,
    });
    assert.equal((await store.getSession(alice, "s1"))?.runningTurnId, "t1");
    await store.endTurn(sampleEnd("t1", running.fence));
    assert.equal((await store.getSession(alice, "s1"))?.runningTurnId, "");
    assert.equal(await store.acquireTurn("s1", "me"), "idle");
  });

  test("a withdrawn turn does not keep the next from running", async (t) => {
    const store = await create(t);
    await addTurn(store, sampleTurn("t1"), { session: sampleSession() });
    await addTurn(store, sampleTurn("t2"));
    assert.equal(await store.withdrawTurn("s1", "t1"), true);
    assert.equal((await acquire(store)).turn.turnId, "t2");
  });

  test("only a queued turn of that session is withdrawn", async (t) => {
    const store = await create(t);
    await addTurn(store, sampleTurn("t1"), { session: sampleSession() });
    await store.createSession(sampleSession({ sessionId: "s2" }));
    assert.equal(await store.withdrawTurn("s2", "t1"), false);
    assert.equal(await store.withdrawTurn("s1", "unknown"), false);
    await run(store, "t1");
    assert.equal(await store.withdrawTurn("s1", "t1"), false);
    assert.equal((await listIds(store)).length, 2);
  });

  test("everything about a turn comes back", async (t) => {
    const store = await create(t);
    await fill(store, "t1");
    const reply = await store.getMessage(alice, "s1", "reply-t1");
    assert.ok(reply);
    for (const onDisconnect of [undefined, "grace", "continue", "cancel"] as const) {
      const name = `t-${onDisconnect}`;
      const turn = sampleTurn(name, { onDisconnect, systemInstruction: "Be brief.", model: "m" });
      await addTurn(store, turn);
      assert.deepEqual(await store.getTurn(alice, "s1", name), { turn, state: "queued", fence: 0 });
      const { fence } = await acquire(store);
      const started = { ...turn, userMessage: { ...turn.userMessage, state: "complete" } };
      const running = { turn: started, state: "running", fence };
      assert.deepEqual(await store.getTurn(alice, "s1", name), running);
      await store.endTurn(sampleEnd(name, fence));
    }
    assert.equal(await store.getTurn(bob, "s1", "t1"), undefined);
    assert.equal(await store.getTurn(alice, "s2", "t1"), undefined);
    assert.equal(await store.getTurn(alice, "s1", "unknown"), undefined);
    assert.equal(await store.getMessage(bob, "s1", "reply-t1"), undefined);
    assert.equal(await store.getMessage(alice, "s1", "unknown"), undefined);
  });
}
