import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Clock, systemClock } from "../../src/chat/clock.ts";
import { createSqliteEventLog } from "../../src/event-log/sqlite.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { createSqliteStore } from "../../src/store/sqlite.ts";
import { openProbe, temporaryFolder } from "../unit/sqlite/probe.ts";
import { createGate, reached, release } from "../unit/sqlite/probe-operations.ts";
import { alice, newTurn, sampleEnd, sampleSession, sampleTurn } from "./store-samples.ts";
import { oldestFirst } from "./store-steps.ts";
import { storeSuite } from "./store-suite.ts";

storeSuite("memory", async (_t, clock) => createMemoryStore({ ...(clock && { clock }) }));

async function open(t: TestContext, file: string, clock?: Clock) {
  const { database, probe, read } = await openProbe(t, file, { durability: "full" });
  const store = createSqliteStore(database, { ...(clock && { clock }) });
  t.after(() => store.close());
  return { database, probe, read, store };
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

test("store sqlite: a long search or list delays no write, and no append", async (t) => {
  const { database, read, store } = await open(t, join(await temporaryFolder(t), "a.db"));
  const retention = { retentionMs: 60_000, retentionBytes: 2 ** 20 };
  const log = await createSqliteEventLog(database, { clock: systemClock, ...retention });
  t.after(() => log.close());
  await store.createSession(sampleSession({ title: "Apples" }));
  await store.tidy();
  const gate = createGate();
  const order: string[] = [];
  const longRead = read("textsOnceReleased", { gate });
  await reached(gate);
  const lists = [
    store.listSessions(alice, { pageSize: 50, pageToken: "", query: "appl" }),
    store.listSessions(alice, { pageSize: 50, pageToken: "", query: "" }),
  ].map((list) => list.finally(() => order.push("list")));
  await store.createTurn(newTurn(sampleTurn("t1")));
  const acquired = await store.acquireTurn("s1", "me");
  assert.ok(typeof acquired === "object");
  const { fence } = acquired;
  const batch = { sessionId: "s1", turnId: "t1", fence, batch: 1 };
  const place = { at: 1, elapsedMs: 1 };
  await log.append({ ...batch, events: [{ type: "chunk", text: "a", number: 1, ...place }] });
  assert.ok(await store.getSession(alice, "s1"));
  await store.tidy();
  order.push("written");
  release(gate);
  await longRead;
  const found = await Promise.all(lists);
  assert.deepEqual(order, ["written", "list", "list"]);
  for (const { items } of found) assert.equal(items.length, 1);
});

test("store sqlite: searches, lists and replays are read while a write is under way", async (t) => {
  const { probe, store } = await open(t, join(await temporaryFolder(t), "a.db"));
  await store.createTurn(newTurn(sampleTurn("t1"), { session: sampleSession() }));
  await store.tidy();
  const gate = createGate();
  const writing = probe("waitUntilReleased", { gate });
  await reached(gate);
  const page = { pageSize: 50, pageToken: "" };
  assert.equal((await store.listSessions(alice, { ...page, query: "ask" })).items.length, 1);
  assert.equal((await store.listSessions(alice, { ...page, query: "" })).items.length, 1);
  assert.equal((await store.listMessages(alice, "s1", oldestFirst)).items.length, 1);
  assert.equal(await store.countSessions(alice), 1);
  assert.deepEqual(await store.turnsAfter("s1", 0, 10), []);
  release(gate);
  await writing;
});

test("store sqlite: a closed database is unavailable", async (t) => {
  const { database, store } = await open(t, join(await temporaryFolder(t), "a.db"));
  await database.close();
  await assert.rejects(store.check(), { kind: "unavailable", reason: "STORAGE_UNAVAILABLE" });
});
