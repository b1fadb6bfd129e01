import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExpiredRequest, Store } from "../../src/chat/store.ts";
import { alice, bob, sampleSession, sampleTurn } from "./store-samples.ts";
import { addTurn, type CreateStore, run } from "./store-steps.ts";

async function expiredIds(store: Store, request: Partial<ExpiredRequest> = {}): Promise<string[]> {
  const found = await store.listExpired({ before: 5_000, count: 50, ...request });
  return found.map(({ sessionId }) => sessionId);
}

async function addSession(store: Store, sessionId: string, updatedAt: number, principal = alice) {
  await store.createSession(sampleSession({ sessionId, updatedAt, principal }));
}

export function expiredTests(create: CreateStore): void {
  test("what changed before a time is listed, of all principals, that which changed first ahead", async (t) => {
    const store = await create(t);
    await addSession(store, "later", 4_999);
    await addSession(store, "earlier", 1_000, bob);
    await addSession(store, "at-it", 5_000);
    assert.deepEqual(await store.listExpired({ before: 5_000, count: 50 }), [
      { principal: bob, sessionId: "earlier", updatedAt: 1_000 },
      { principal: alice, sessionId: "later", updatedAt: 4_999 },
    ]);
    assert.deepEqual(await expiredIds(store, { before: 1_000 }), []);
  });

  test("pages of what expired follow each other, also where all changed at once", async (t) => {
    const store = await create(t);
    for (const sessionId of ["c", "a", "d", "b"]) await addSession(store, sessionId, 1_000);
    const ids: string[] = [];
    for (let after: ExpiredRequest["after"]; ; ) {
      const request = { before: 5_000, count: 3, ...(after && { after }) };
      const page = await store.listExpired(request);
      ids.push(...page.map(({ sessionId }) => sessionId));
      after = page.at(-1);
      if (!after) break;
    }
    assert.deepEqual(ids, ["a", "b", "c", "d"]);
  });

  test("a session in which a turn waits or runs has not expired, and one that changed again", async (t) => {
    const store = await create(t);
    await addSession(store, "s1", 1_000);
    await addTurn(store, sampleTurn("t1", { createdAt: 2_000 }));
    assert.deepEqual(await expiredIds(store), [], "it waits");
    await run(store, "t1", { endedAt: 3_000 });
    assert.deepEqual(await expiredIds(store), ["s1"]);
    assert.deepEqual(await expiredIds(store, { before: 3_000 }), [], "its end is a change");
    await addTurn(store, sampleTurn("t2", { createdAt: 3_500 }));
    await store.acquireTurn("s1", "me");
    assert.deepEqual(await expiredIds(store), [], "it runs");
  });

  test("a deleted session does not expire", async (t) => {
    const store = await create(t);
    await addSession(store, "s1", 1_000);
    await store.deleteSession(alice, "s1", 2_000);
    assert.deepEqual(await expiredIds(store), []);
  });
}
