import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { FinishReason, MessageState, Usage } from "../../src/chat/message.ts";
import type { Page, Store } from "../../src/chat/store.ts";
import type { TurnEnd, TurnError } from "../../src/chat/turn.ts";
import { alice, bob, noUsage, sampleEnd, sampleSession, sampleTurn } from "./store-samples.ts";

export type CreateStore = (t: TestContext) => Promise<Store>;

const notFound = { kind: "not_found", reason: "SESSION_NOT_FOUND" };
const staleFence = { kind: "aborted", reason: "STALE_FENCE" };
const badPageToken = { kind: "invalid_argument", fields: [{ field: "page_token" }] };
const firstPage = { pageSize: 50, pageToken: "" };
const oldestFirst = { ...firstPage, newestFirst: false };

/** What store.ts promises, on the store that `create` makes. */
export function storeSuite(name: string, create: CreateStore): void {
  describe(`store ${name}: sessions`, () => sessionTests(create));
  describe(`store ${name}: turns`, () => turnTests(create));
  describe(`store ${name}: ends`, () => endTests(create));
  describe(`store ${name}: lists`, () => listTests(create));
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
    await store.createSession(session);
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
    assert.equal(await store.deleteSession(bob, "s1"), false);
    assert.deepEqual((await store.listSessions(bob, firstPage)).items, []);
    await assert.rejects(store.listMessages(bob, "s1", oldestFirst), notFound);
    await assert.rejects(
      store.createTurn({ turn: sampleTurn("t1", { principal: bob }) }),
      notFound,
    );
    assert.ok(await store.getSession(alice, "s1"));
  });

  test("deleting a session removes its turns and messages, and is safe to repeat", async (t) => {
    const store = await create(t);
    await store.createTurn({ turn: sampleTurn("t1"), session: sampleSession() });
    await store.acquireTurn("s1", "me");
    await store.createTurn({ turn: sampleTurn("t2") });
    assert.equal(await store.deleteSession(alice, "s1"), true);
    assert.equal(await store.deleteSession(alice, "s1"), false);
    assert.equal(await store.getSession(alice, "s1"), undefined);
    await assert.rejects(store.listMessages(alice, "s1", oldestFirst), notFound);
    assert.deepEqual(await store.unfinishedTurns(), []);
    assert.equal(await store.acquireTurn("s1", "me"), "idle");
    assert.equal(await store.discardQueuedTurn("s1", "t2"), false);
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
}

function turnTests(create: CreateStore): void {
  test("a new turn brings its message and, where it opens one, its session", async (t) => {
    const store = await create(t);
    const turn = sampleTurn("t1", { generation: { seed: 7 }, chunkBy: "word" });
    await store.createTurn({ turn, session: sampleSession() });
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
    await assert.rejects(store.createTurn({ turn: sampleTurn("t1") }), notFound);
    assert.deepEqual(await store.unfinishedTurns(), []);
  });

  test("creating a turn again changes nothing, whatever has become of it", async (t) => {
    const store = await create(t);
    const newTurn = { turn: sampleTurn("t1"), session: sampleSession() };
    await store.createTurn(newTurn);
    await store.createTurn(newTurn);
    assert.equal((await store.getSession(alice, "s1"))?.userMessages, 1);
    const acquired = await store.acquireTurn("s1", "me");
    assert.ok(typeof acquired === "object");
    await store.createTurn(newTurn);
    await store.endTurn(sampleEnd("t1", acquired.fence));
    await store.createTurn(newTurn);
    assert.equal(await store.acquireTurn("s1", "me"), "idle");
    assert.equal((await store.listMessages(alice, "s1", oldestFirst)).items.length, 2);
  });

  test("turns are acquired oldest first, one at a time, each with a higher fence", async (t) => {
    const store = await create(t);
    assert.equal(await store.acquireTurn("s1", "me"), "idle");
    await store.createTurn({ turn: sampleTurn("t1"), session: sampleSession() });
    await store.createTurn({ turn: sampleTurn("t2") });
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
    const created = store.createTurn({ turn: sampleTurn("t1"), session: sampleSession() });
    const acquired = await store.acquireTurn("s1", "me");
    await created;
    assert.ok(typeof acquired === "object");
    assert.equal(acquired.turn.turnId, "t1");
  });

  test("of many that acquire at once one gets the turn", async (t) => {
    const store = await create(t);
    await store.createTurn({ turn: sampleTurn("t1"), session: sampleSession() });
    const owners = ["a", "b", "c"];
    const all = await Promise.all(owners.map((owner) => store.acquireTurn("s1", owner)));
    assert.equal(all.filter((one) => typeof one === "object").length, 1);
    assert.equal(all.filter((one) => one === "busy").length, 2);
  });

  test("a discarded turn is as if it had not been sent", async (t) => {
    const store = await create(t);
    await store.createTurn({ turn: sampleTurn("t1"), session: sampleSession() });
    await store.createTurn({ turn: sampleTurn("t2") });
    assert.equal(await store.discardQueuedTurn("s1", "t2"), true);
    assert.equal(await store.discardQueuedTurn("s1", "t2"), false);
    const details = await store.getSession(alice, "s1");
    assert.equal(details?.userMessages, 1);
    assert.equal(details?.preview, "ask t1");
    assert.deepEqual(details?.queuedTurnIds, ["t1"]);
    assert.equal((await store.listMessages(alice, "s1", oldestFirst)).items.length, 1);
  });

  test("only a queued turn of that session is discarded", async (t) => {
    const store = await create(t);
    await store.createTurn({ turn: sampleTurn("t1"), session: sampleSession() });
    await store.createSession(sampleSession({ sessionId: "s2" }));
    assert.equal(await store.discardQueuedTurn("s2", "t1"), false);
    assert.equal(await store.discardQueuedTurn("s1", "unknown"), false);
    const acquired = await store.acquireTurn("s1", "me");
    assert.ok(typeof acquired === "object");
    assert.equal(await store.discardQueuedTurn("s1", "t1"), false);
    await store.endTurn(sampleEnd("t1", acquired.fence));
    assert.equal(await store.discardQueuedTurn("s1", "t1"), false);
    assert.equal((await store.listMessages(alice, "s1", oldestFirst)).items.length, 2);
  });

  test("turns without an end are found, oldest first, with state and fence", async (t) => {
    const store = await create(t);
    const session = sampleSession({ sessionId: "s2" });
    await store.createTurn({
      turn: sampleTurn("t2", { sessionId: "s2", createdAt: 2_002 }),
      session,
    });
    await store.createTurn({
      turn: sampleTurn("t1", { createdAt: 2_001 }),
      session: sampleSession(),
    });
    await store.createTurn({ turn: sampleTurn("t3", { createdAt: 2_003 }) });
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
}

function endTests(create: CreateStore): void {
  async function running(t: TestContext): Promise<{ store: Store; fence: number }> {
    const store = await create(t);
    await store.createTurn({ turn: sampleTurn("t1"), session: sampleSession() });
    const acquired = await store.acquireTurn("s1", "me");
    assert.ok(typeof acquired === "object");
    return { store, fence: acquired.fence };
  }

  test("an end stores the reply and what it adds to the session", async (t) => {
    const { store, fence } = await running(t);
    const usage: Usage = {
      inputTokens: 1,
      outputTokens: 2,
      thinkingTokens: 3,
      cachedTokens: 4,
      totalTokens: 5,
      estimated: false,
    };
    const end = sampleEnd("t1", fence, {
      usage,
      parts: [
        { type: "thought", text: "hm" },
        { type: "text", text: "Hello\n  world", signature: "sig" },
      ],
      sequence: 9,
      endedAt: 4_000,
    });
    await store.endTurn(end);
    const details = await store.getSession(alice, "s1");
    assert.equal(details?.modelMessages, 1);
    assert.equal(details?.lastSequence, 9);
    assert.equal(details?.updatedAt, 4_000);
    assert.equal(details?.preview, "Hello world");
    assert.deepEqual(details?.usage, usage);
    const { items } = await store.listMessages(alice, "s1", oldestFirst);
    assert.deepEqual(items[1], {
      messageId: "reply-t1",
      sessionId: "s1",
      turnId: "t1",
      role: "model",
      parts: end.parts,
      state: "complete",
      createdAt: 4_000,
      requestId: "",
      model: "eliza",
      finishReason: "stop",
      usage,
      sequence: 9,
    });
  });

  test("usage is summed, and estimated once any of it is", async (t) => {
    const { store, fence } = await running(t);
    const usage = { ...noUsage, inputTokens: 2, totalTokens: 2 };
    await store.endTurn(sampleEnd("t1", fence, { usage }));
    await store.createTurn({ turn: sampleTurn("t2") });
    const acquired = await store.acquireTurn("s1", "me");
    assert.ok(typeof acquired === "object");
    const more = { ...usage, estimated: true };
    await store.endTurn(sampleEnd("t2", acquired.fence, { usage: more, sequence: 6 }));
    const details = await store.getSession(alice, "s1");
    const sum = { ...noUsage, inputTokens: 4, totalTokens: 4, estimated: true };
    assert.deepEqual(details?.usage, sum);
    assert.equal(details?.lastSequence, 6);
  });

  const stateAfter: Record<FinishReason, MessageState> = {
    stop: "complete",
    max_tokens: "complete",
    safety: "complete",
    other: "complete",
    cancelled: "partial",
    interrupted: "partial",
    incomplete: "partial",
    timeout: "partial",
    failed: "partial",
  };
  for (const [finishReason, state] of Object.entries(stateAfter) as [
    FinishReason,
    MessageState,
  ][]) {
    test(`a reply that ended ${finishReason} is ${state}`, async (t) => {
      const { store, fence } = await running(t);
      await store.endTurn(sampleEnd("t1", fence, { finishReason }));
      const { items } = await store.listMessages(alice, "s1", oldestFirst);
      assert.equal(items[1]?.state, state);
      assert.equal(items[1]?.finishReason, finishReason);
    });
  }

  test("a failed turn's reply says why", async (t) => {
    const { store, fence } = await running(t);
    const error: TurnError = {
      kind: "unavailable",
      reason: "MODEL_FAILED",
      message: "it broke",
      retryable: true,
    };
    await store.endTurn(sampleEnd("t1", fence, { finishReason: "failed", error }));
    const { items } = await store.listMessages(alice, "s1", oldestFirst);
    assert.equal(items[1]?.errorReason, "MODEL_FAILED");
    assert.equal(items[1]?.errorMessage, "it broke");
  });

  test("an end without parts leaves no message", async (t) => {
    const { store, fence } = await running(t);
    await store.endTurn(sampleEnd("t1", fence, { finishReason: "cancelled", parts: [] }));
    assert.equal((await store.listMessages(alice, "s1", oldestFirst)).items.length, 1);
    const details = await store.getSession(alice, "s1");
    assert.equal(details?.modelMessages, 0);
    assert.equal(details?.lastSequence, 3);
    assert.equal(details?.preview, "ask t1");
    assert.deepEqual(await store.unfinishedTurns(), []);
  });

  test("the first end stays", async (t) => {
    const { store, fence } = await running(t);
    await store.endTurn(sampleEnd("t1", fence));
    const later: Partial<TurnEnd> = { finishReason: "interrupted", sequence: 99, endedAt: 9_000 };
    await store.endTurn(
      sampleEnd("t1", fence, { ...later, parts: [{ type: "text", text: "no" }] }),
    );
    const details = await store.getSession(alice, "s1");
    assert.equal(details?.modelMessages, 1);
    assert.equal(details?.lastSequence, 3);
    assert.equal(details?.updatedAt, 3_000);
    const { items } = await store.listMessages(alice, "s1", oldestFirst);
    assert.equal(items[1]?.finishReason, "stop");
  });

  test("an end with another fence than the turn's is stale, and changes nothing", async (t) => {
    const { store, fence } = await running(t);
    await assert.rejects(store.endTurn(sampleEnd("t1", fence + 1)), staleFence);
    await assert.rejects(store.endTurn(sampleEnd("t1", fence - 1)), staleFence);
    await store.createTurn({ turn: sampleTurn("t2") });
    await assert.rejects(store.endTurn(sampleEnd("t2", 0)), staleFence);
    assert.equal((await store.getSession(alice, "s1"))?.runningTurnId, "t1");
    await store.endTurn(sampleEnd("t1", fence));
  });

  test("an end whose session is gone is no error; one of an unknown turn is", async (t) => {
    const { store, fence } = await running(t);
    await assert.rejects(store.endTurn(sampleEnd("unknown", fence)), { reason: "TURN_NOT_FOUND" });
    await store.deleteSession(alice, "s1");
    await store.endTurn(sampleEnd("t1", fence));
    assert.equal(await store.getSession(alice, "s1"), undefined);
  });
}

function listTests(create: CreateStore): void {
  test("history is ordered by the start of its turns, queued messages last", async (t) => {
    const store = await create(t);
    await store.createTurn({ turn: sampleTurn("t1"), session: sampleSession() });
    const acquired = await store.acquireTurn("s1", "me");
    assert.ok(typeof acquired === "object");
    for (const name of ["t2", "t3"]) await store.createTurn({ turn: sampleTurn(name) });
    await store.endTurn(sampleEnd("t1", acquired.fence));
    const expected = ["question-t1", "reply-t1", "question-t2", "question-t3"];
    const oldest = await store.listMessages(alice, "s1", oldestFirst);
    assert.deepEqual(idsOf(oldest), expected);
    const newest = await store.listMessages(alice, "s1", { ...firstPage, newestFirst: true });
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
    await fill(store, 7);
    for (const newestFirst of [false, true]) {
      for (const pageSize of [1, 2, 3, 14, 15]) {
        const ids = await pageThrough(store, { pageSize, newestFirst });
        const all = await store.listMessages(alice, "s1", { ...firstPage, newestFirst });
        assert.deepEqual(ids, idsOf(all));
        assert.equal(ids.length, 14);
      }
    }
  });

  test("a page that ended at a queued message goes on behind it when its turn has run", async (t) => {
    const store = await create(t);
    await store.createTurn({ turn: sampleTurn("t1"), session: sampleSession() });
    await store.createTurn({ turn: sampleTurn("t2") });
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
    await store.createTurn({ turn: sampleTurn("t1", { sessionId: "a", createdAt: 5 }) });
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
    const page = await store.listSessions(alice, { pageSize: 2, pageToken: "" });
    assert.deepEqual(
      page.items.map(({ sessionId }) => sessionId),
      ["d", "c"],
    );
    await store.createTurn({ turn: sampleTurn("t1", { sessionId: "c", createdAt: 50 }) });
    const rest = await store.listSessions(alice, { pageSize: 2, pageToken: page.nextPageToken });
    assert.deepEqual(
      rest.items.map(({ sessionId }) => sessionId),
      ["b", "a"],
    );
  });

  test("a page token that we did not make, or of another list, is refused", async (t) => {
    const store = await create(t);
    await store.createSession(sampleSession());
    await store.createSession(sampleSession({ sessionId: "s2", principal: bob }));
    await fill(store, 2);
    const { nextPageToken } = await store.listMessages(alice, "s1", {
      ...oldestFirst,
      pageSize: 1,
    });
    assert.notEqual(nextPageToken, "");
    const refused = [
      () => store.listMessages(alice, "s1", { ...oldestFirst, pageToken: "nonsense" }),
      () => store.listMessages(alice, "s1", { ...oldestFirst, pageToken: `${nextPageToken}A` }),
      () => store.listMessages(alice, "s1", { ...oldestFirst, pageToken: `${nextPageToken}=` }),
      () => store.listMessages(bob, "s2", { ...oldestFirst, pageToken: nextPageToken }),
      () =>
        store.listMessages(alice, "s1", {
          ...firstPage,
          newestFirst: true,
          pageToken: nextPageToken,
        }),
      () => store.listSessions(alice, { pageSize: 1, pageToken: nextPageToken }),
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

function idsOf(page: Page<{ messageId: string }>): string[] {
  return page.items.map(({ messageId }) => messageId);
}

/** Runs `count` turns of session s1 to their end. */
async function fill(store: Store, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await store.createTurn({ turn: sampleTurn(`t${index}`) });
    const acquired = await store.acquireTurn("s1", "me");
    assert.ok(typeof acquired === "object");
    await store.endTurn(sampleEnd(`t${index}`, acquired.fence));
  }
}

async function pageThrough(
  store: Store,
  page: { pageSize: number; newestFirst: boolean },
): Promise<string[]> {
  const ids: string[] = [];
  let pageToken = "";
  do {
    const next = await store.listMessages(alice, "s1", { ...page, pageToken });
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
    const page = await store.listSessions(alice, { pageSize, pageToken });
    ids.push(...page.items.map(({ sessionId }) => sessionId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return ids;
}
