import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Clock } from "../../src/chat/clock.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { createSqliteStore } from "../../src/store/sqlite.ts";
import { openProbe, temporaryFolder } from "../unit/sqlite/probe.ts";
import { alice, newTurn, sampleEnd, sampleSession, sampleTurn } from "./store-samples.ts";
import { storeSuite } from "./store-suite.ts";

storeSuite("memory", async (_t, clock) => createMemoryStore({ ...(clock && { clock }) }));

async function open(t: TestContext, file: string, clock?: Clock) {
  const { database, probe } = await openProbe(t, file, { durability: "full" });
  const store = createSqliteStore(database, { ...(clock && { clock }) });
  t.after(() => store.close());
  return { database, probe, store };
}

storeSuite("sqlite", async (t, clock) => {
  const { store } = await open(t, join(await temporaryFolder(t), "a.db"), clock);
  return store;
});

test("store sqlite: what a method has resolved is there when the file is opened again", async (t) => {
  const file = join(await temporaryFolder(t), "a.db");
  const first = await open(t, file);
  await first.store.createTurn(newTurn(sampleTurn("t1"), { session: sampleSession() }));
  const acquired = await first.store.acquireTurn("s1", "me");
  assert.ok(typeof acquired === "object");
  await first.store.endTurn(sampleEnd("t1", acquired.fence));
  await first.store.createTurn(newTurn(sampleTurn("t2")));
  const before = await first.store.getSession(alice, "s1");
  await first.database.close();
  const { store } = await open(t, file);
  assert.deepEqual(await store.getSession(alice, "s1"), before);
  const next = await store.acquireTurn("s1", "me");
  assert.ok(typeof next === "object");
  assert.ok(next.fence > acquired.fence);
});

test("store sqlite: a full disk refuses the turn whole, and keeps what there was", async (t) => {
  const { probe, store } = await open(t, join(await temporaryFolder(t), "a.db"));
  await store.createTurn(newTurn(sampleTurn("t1"), { session: sampleSession() }));
  const before = await store.getSession(alice, "s1");
  await probe("limitPages", { pagesMax: 1 });
  const large = sampleTurn("t2", { systemInstruction: "x".repeat(65_536) });
  await assert.rejects(store.createTurn(newTurn(large)), {
    kind: "unavailable",
    reason: "STORAGE_UNAVAILABLE",
  });
  assert.deepEqual(await store.getSession(alice, "s1"), before);
  await probe("limitPages", { pagesMax: 0 });
  await store.createTurn(newTurn(large));
  assert.deepEqual((await store.getSession(alice, "s1"))?.queuedTurnIds, ["t1", "t2"]);
});

test("store sqlite: a closed database is unavailable", async (t) => {
  const { database, store } = await open(t, join(await temporaryFolder(t), "a.db"));
  await database.close();
  await assert.rejects(store.check(), { kind: "unavailable", reason: "STORAGE_UNAVAILABLE" });
});
