import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../src/chat/limits.ts";
import type { Store } from "../../src/chat/store.ts";
import { alice, bob, newTurn, sampleEnd, sampleSession, sampleTurn } from "./store-samples.ts";
import {
  addTurn,
  allSessions,
  type CreateStore,
  fill,
  idsOf,
  oldestFirst,
  run,
} from "./store-steps.ts";

const badPageToken = { kind: "invalid_argument", fields: [{ field: "page_token" }] };

export function listTests(create: CreateStore): void {
  test("history is ordered by the start of its turns, queued messages last", async (t) => {
    const store = await create(t);
    await store.createTurn(newTurn(sampleTurn("t1"), { session: sampleSession() }));
    const acquired = await store.acquireTurn("s1", "me");
    assert.ok(typeof acquired === "object");
    for (const name of ["t2", "t3"]) await store.createTurn(newTurn(sampleTurn(name)));
    await store.endTurn(sampleEnd("t1", acquired.fence));
    const expected = ["question-t1", "reply-t1", "question-t2", "question-t3"];
    const oldest = await store.listMessages(alice, "s1", oldestFirst);
    assert.deepEqual(idsOf(oldest), expected);
    const newest = await store.listMessages(alice, "s1", { ...oldestFirst, newestFirst: true });
    assert.deepEqual(idsOf(newest), expected.toReversed());
    assert.deepEqual(
      oldest.items.map(({ state }) => state),
      ["complete", "complete", "queued", "queued"],
    );
    assert.equal((await store.getSession(alice, "s1"))?.preview, "ask t3");
  });

  test("pages follow each other without gap or repeat, in both directions", async (t) => {
    const store = await create(t);
    await store.createSession(sampleSession());
    await fill(store, "t1", "t2", "t3", "t4", "t5", "t6", "t7");
    for (const newestFirst of [false, true]) {
      for (const pageSize of [1, 2, 3, 14, 15]) {
        const ids = await pageThrough(store, { pageSize, newestFirst });
        const all = await store.listMessages(alice, "s1", { ...oldestFirst, newestFirst });
        assert.deepEqual(ids, idsOf(all));
        assert.equal(ids.length, 14);
      }
    }
  });

  test("a page that ended at a queued message goes on behind it when its turn has run", async (t) => {
    const store = await create(t);
    await store.createTurn(newTurn(sampleTurn("t1"), { session: sampleSession() }));
    await store.createTurn(newTurn(sampleTurn("t2")));
    const page = await store.listMessages(alice, "s1", { ...oldestFirst, pageSize: 1 });
    assert.deepEqual(idsOf(page), ["question-t1"]);
    for (const name of ["t1", "t2"]) {
      const acquired = await store.acquireTurn("s1", "me");
      assert.ok(typeof acquired === "object");
      await store.endTurn(sampleEnd(name, acquired.fence));
    }
    const next = { ...oldestFirst, pageToken: page.nextPageToken };
    const rest = await store.listMessages(alice, "s1", next);
    assert.deepEqual(idsOf(rest), ["reply-t1", "question-t2", "reply-t2"]);
  });

  test("sessions are listed latest change first", async (t) => {
    const store = await create(t);
    for (const [sessionId, updatedAt] of [
      ["a", 1],
      ["b", 3],
      ["c", 2],
    ] as const) {
      await store.createSession(sampleSession({ sessionId, updatedAt }));
    }
    await store.createSession(sampleSession({ sessionId: "d", updatedAt: 9, principal: bob }));
    assert.deepEqual(await sessionIds(store, 50), ["b", "c", "a"]);
    assert.deepEqual(await sessionIds(store, 1), ["b", "c", "a"]);
    await store.createTurn(newTurn(sampleTurn("t1", { sessionId: "a", createdAt: 5 })));
    assert.deepEqual(await sessionIds(store, 2), ["a", "b", "c"]);
    assert.equal(await store.countSessions(alice), 3);
  });

  test("sessions that changed at the same time are all listed, once each", async (t) => {
    const store = await create(t);
    const ids = ["a", "b", "c", "d", "e"];
    for (const sessionId of ids) await store.createSession(sampleSession({ sessionId }));
    assert.deepEqual((await sessionIds(store, 2)).toSorted(), ids);
  });

  test("a session that changes between two pages shifts none of the others", async (t) => {
    const store = await create(t);
    for (const [index, sessionId] of ["a", "b", "c", "d"].entries()) {
      await store.createSession(sampleSession({ sessionId, updatedAt: index }));
    }
    const page = await store.listSessions(alice, { ...allSessions, pageSize: 2 });
    assert.deepEqual(
      page.items.map(({ sessionId }) => sessionId),
      ["d", "c"],
    );
    await store.createTurn(newTurn(sampleTurn("t1", { sessionId: "c", createdAt: 50 })));
    const rest = await store.listSessions(alice, {
      ...allSessions,
      pageSize: 2,
      pageToken: page.nextPageToken,
    });
    assert.deepEqual(
      rest.items.map(({ sessionId }) => sessionId),
      ["b", "a"],
    );
  });

  test("a page of large messages ends sooner, and the next one goes on", async (t) => {
    const store = await create(t);
    // Two bytes a letter: more of them than UTF-16 units.
    const half = "é".repeat(limits.pageBytesMax / 4);
    const replies = { t1: half, t2: half, t3: `${half}${half}e`, t4: "e" };
    await store.createSession(sampleSession());
    let sequence = 0;
    for (const [name, text] of Object.entries(replies)) {
      sequence += 4;
      await addTurn(store, sampleTurn(name));
      await run(store, name, { sequence, parts: [{ type: "text", text }] });
    }
    const pages: string[][] = [];
    for (const newestFirst of [false, true]) {
      let pageToken = "";
      do {
        const page = { ...oldestFirst, newestFirst, pageSize: 200, pageToken };
        const { items, nextPageToken } = await store.listMessages(alice, "s1", page);
        pages.push(items.filter(({ role }) => role === "model").map(({ turnId }) => turnId));
        pageToken = nextPageToken;
      } while (pageToken !== "");
    }
    assert.deepEqual(pages, [["t1", "t2"], ["t3"], ["t4"], ["t4", "t3"], ["t2", "t1"], []]);
  });

  test("a page token that we did not make, or of another list, is refused", async (t) => {
    const store = await create(t);
    await store.createSession(sampleSession());
    await store.createSession(sampleSession({ sessionId: "s2", principal: bob }));
    await store.createSession(sampleSession({ sessionId: "s3" }));
    await fill(store, "t1", "t2");
    const { nextPageToken } = await store.listMessages(alice, "s1", {
      ...oldestFirst,
      pageSize: 1,
    });
    assert.notEqual(nextPageToken, "");
    const onePage = await store.listSessions(alice, { ...allSessions, pageSize: 1 });
    const sessionsToken = onePage.nextPageToken;
    assert.notEqual(sessionsToken, "");
    const refused = [
      () => store.listMessages(alice, "s1", { ...oldestFirst, pageToken: "nonsense" }),
      () => store.listMessages(alice, "s1", { ...oldestFirst, pageToken: `${nextPageToken}A` }),
      () => store.listMessages(alice, "s1", { ...oldestFirst, pageToken: `${nextPageToken}=` }),
      () => store.listMessages(bob, "s2", { ...oldestFirst, pageToken: nextPageToken }),
      () =>
        store.listMessages(alice, "s1", {
          ...oldestFirst,
          newestFirst: true,
          pageToken: nextPageToken,
        }),
      () =>
        store.listMessages(alice, "s1", {
          ...oldestFirst,
          includeReplaced: true,
          pageToken: nextPageToken,
        }),
      () => store.listSessions(alice, { ...allSessions, pageToken: nextPageToken }),
      () => store.listSessions(alice, { ...allSessions, query: "x", pageToken: sessionsToken }),
    ];
    for (const call of refused) {
      await assert.rejects(call, (error: { kind: string; fields: { field: string }[] }) => {
        assert.equal(error.kind, badPageToken.kind);
        assert.equal(error.fields[0]?.field, badPageToken.fields[0]?.field);
        return true;
      });
    }
  });
}

async function pageThrough(
  store: Store,
  page: { pageSize: number; newestFirst: boolean },
): Promise<string[]> {
  const ids: string[] = [];
  let pageToken = "";
  do {
    const next = await store.listMessages(alice, "s1", { ...oldestFirst, ...page, pageToken });
    assert.ok(next.items.length > 0 && next.items.length <= page.pageSize);
    ids.push(...idsOf(next));
    pageToken = next.nextPageToken;
  } while (pageToken !== "");
  return ids;
}

async function sessionIds(store: Store, pageSize: number): Promise<string[]> {
  const ids: string[] = [];
  let pageToken = "";
  do {
    const page = await store.listSessions(alice, { pageSize, pageToken, query: "" });
    ids.push(...page.items.map(({ sessionId }) => sessionId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return ids;
}
