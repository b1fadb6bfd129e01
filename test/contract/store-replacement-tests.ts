import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message, Part } from "../../src/chat/message.ts";
import type { Store } from "../../src/chat/store.ts";
import type { Turn, TurnEnd } from "../../src/chat/turn.ts";
import { alice, sampleEnd, sampleLayout, sampleSession, sampleTurn } from "./store-samples.ts";
import {
  acquire,
  addTurn,
  type CreateStore,
  fill,
  idsOf,
  listIds,
  oldestFirst,
  run,
} from "./store-steps.ts";

export function replacementTests(create: CreateStore): void {
  test("an edit hides what it replaces when it is created", async (t) => {
    const store = await create(t);
    await fill(store, "t1", "t2");
    const replaces = ["question-t2", "reply-t2"];
    const turn = sampleTurn("t3", { type: "edit", replaces });
    await addTurn(store, turn);
    assert.deepEqual(await listIds(store), ["question-t1", "reply-t1", "question-t3"]);
    const all = ["question-t1", "reply-t1", ...replaces, "question-t3"];
    assert.deepEqual(await listIds(store, true), all);
    const hidden = await store.getMessage(alice, "s1", "reply-t2");
    assert.equal(hidden?.replacedByTurnId, "t3");
    const details = await store.getSession(alice, "s1");
    assert.deepEqual([details?.userMessages, details?.modelMessages], [2, 1]);
    assert.equal(details?.preview, "ask t3");
    const acquired = await acquire(store);
    assert.equal(acquired.messages, 3);
    assert.deepEqual(acquired.turn.replaces, replaces);
    assert.deepEqual(await store.getTurn(alice, "s1", "t3"), {
      turn: { ...turn, userMessage: { ...turn.userMessage, state: "complete" } },
      state: "running",
      fence: acquired.fence,
    });
  });

  test("what was replaced stays out of pages in both directions, and keeps its place", async (t) => {
    const store = await create(t);
    await fill(store, "t1", "t2", "t3", "t4");
    await store.replaceMessages("s1", ["reply-t1", "question-t3", "reply-t3"], "t9");
    const expected = ["question-t1", "question-t2", "reply-t2", "question-t4", "reply-t4"];
    for (const newestFirst of [false, true]) {
      const ids: string[] = [];
      let pageToken = "";
      do {
        const page = { ...oldestFirst, newestFirst, pageSize: 2, pageToken };
        const found = await store.listMessages(alice, "s1", page);
        ids.push(...idsOf(found));
        pageToken = found.nextPageToken;
      } while (pageToken !== "");
      assert.deepEqual(ids, newestFirst ? expected.toReversed() : expected);
    }
    assert.equal((await listIds(store, true)).length, 8);
  });

  test("hiding again changes nothing, and the first to replace is named", async (t) => {
    const store = await create(t);
    await fill(store, "t1");
    await store.replaceMessages("s1", ["reply-t1"], "t2");
    const before = await store.getSession(alice, "s1");
    assert.equal(before?.modelMessages, 0);
    assert.equal(before?.preview, "ask t1");
    await store.replaceMessages("s1", ["reply-t1", "unknown"], "t3");
    assert.deepEqual(await store.getSession(alice, "s1"), before);
    const hidden = await store.getMessage(alice, "s1", "reply-t1");
    assert.equal(hidden?.replacedByTurnId, "t2");
    await store.replaceMessages("unknown", ["reply-t1"], "t3");
  });

  test("a turn's question is told as it was, also when it was replaced since", async (t) => {
    const store = await create(t);
    await fill(store, "t1");
    const before = await store.getTurn(alice, "s1", "t1");
    await store.replaceMessages("s1", ["question-t1", "reply-t1"], "t2");
    assert.deepEqual(await store.getTurn(alice, "s1", "t1"), before);
  });

  async function regenerate(store: Store): Promise<Turn> {
    await fill(store, "t1");
    const [question] = (await store.listMessages(alice, "s1", oldestFirst)).items;
    assert.ok(question);
    const replaces = ["reply-t1"];
    const turn = sampleTurn("t2", { type: "regenerate", replaces, userMessage: question });
    await addTurn(store, turn);
    return turn;
  }

  test("a regenerate turn answers the question that is there, and has none of its own", async (t) => {
    const store = await create(t);
    const turn = await regenerate(store);
    const details = await store.getSession(alice, "s1");
    assert.deepEqual([details?.userMessages, details?.modelMessages], [1, 1]);
    assert.deepEqual(await listIds(store), ["question-t1", "reply-t1"]);
    const stored = await store.getTurn(alice, "s1", "t2");
    assert.deepEqual(stored, { turn, state: "queued", fence: 0 });
    const acquired = await acquire(store);
    assert.deepEqual(acquired, { turn, fence: acquired.fence, messages: 2 });
  });

  test("a regenerated reply takes the old one's place with the turn's end", async (t) => {
    const store = await create(t);
    await regenerate(store);
    await run(store, "t2", { sequence: 8 });
    assert.deepEqual(await listIds(store), ["question-t1", "reply-t2"]);
    assert.deepEqual(await listIds(store, true), ["question-t1", "reply-t1", "reply-t2"]);
    const details = await store.getSession(alice, "s1");
    assert.deepEqual([details?.userMessages, details?.modelMessages], [1, 1]);
    assert.equal(details?.preview, "answer t2");
  });

  test("one that was hidden before its turn's end is hidden once", async (t) => {
    const store = await create(t);
    await regenerate(store);
    await store.replaceMessages("s1", ["reply-t1"], "t2");
    await run(store, "t2", { sequence: 8 });
    assert.equal((await store.getSession(alice, "s1"))?.modelMessages, 1);
  });

  test("a regenerate turn that fails before its model answers changes nothing", async (t) => {
    const store = await create(t);
    await regenerate(store);
    const [status, , , end] = sampleLayout("t2", 8, "");
    assert.ok(status && end);
    await run(store, "t2", {
      finishReason: "failed",
      parts: [],
      sequence: 6,
      layout: [status, end],
    });
    assert.deepEqual(await listIds(store), ["question-t1", "reply-t1"]);
    assert.equal((await store.getSession(alice, "s1"))?.modelMessages, 1);
  });

  test("a withdrawn regenerate turn leaves the question where it is", async (t) => {
    const store = await create(t);
    await regenerate(store);
    assert.equal(await store.withdrawTurn("s1", "t2"), true);
    assert.deepEqual(await listIds(store), ["question-t1", "reply-t1"]);
    assert.equal((await store.getSession(alice, "s1"))?.userMessages, 1);
    await store.endTurn(sampleEnd("t2", 0, { finishReason: "cancelled", parts: [], layout: [] }));
    assert.deepEqual(await store.unfinishedTurns(), []);
  });

  async function continued(
    store: Store,
    first: Part[],
    more: Partial<TurnEnd>,
  ): Promise<{ message: Message | undefined; ends: TurnEnd[] }> {
    await addTurn(store, sampleTurn("t1"), { session: sampleSession() });
    const begun = await run(store, "t1", { finishReason: "max_tokens", parts: first });
    const [question] = (await store.listMessages(alice, "s1", oldestFirst)).items;
    assert.ok(question);
    const rest = { replyMessageId: "reply-t1", userMessage: question };
    await addTurn(store, sampleTurn("t2", { type: "continue", ...rest }));
    const end = await run(store, "t2", { sequence: 8, ...more });
    return { message: await store.getMessage(alice, "s1", "reply-t1"), ends: [begun, end] };
  }

  test("a continued reply is one message, with the state of its last turn", async (t) => {
    const store = await create(t);
    const usage = { ...sampleEnd("t2", 0).usage, outputTokens: 7 };
    const parts: Part[] = [{ type: "text", text: "once" }];
    const more: Part[] = [{ type: "text", text: " upon a time" }];
    const { message, ends } = await continued(store, parts, { parts: more, usage });
    assert.deepEqual(message?.parts, [{ type: "text", text: "once upon a time" }]);
    assert.equal(message?.state, "complete");
    assert.equal(message?.finishReason, "stop");
    assert.equal(message?.sequence, 8);
    assert.equal(message?.turnId, "t1");
    assert.deepEqual(message?.usage, usage);
    assert.deepEqual(await listIds(store), ["question-t1", "reply-t1"]);
    const details = await store.getSession(alice, "s1");
    assert.equal(details?.modelMessages, 1);
    assert.equal(details?.usage.outputTokens, 7);
    assert.equal(details?.preview, "once upon a time");
    for (const end of ends) {
      assert.deepEqual((await store.getTurn(alice, "s1", end.turnId))?.end, end);
    }
  });

  const thought = (text: string): Part => ({ type: "thought", text });
  const text = (value: string, signature?: string): Part => {
    return { type: "text", text: value, ...(signature && { signature }) };
  };
  const joins: [string, Part[], Part[], Part[]][] = [
    ["of another kind stands beside it", [text("a")], [thought("b")], [text("a"), thought("b")]],
    ["does not join a signed part", [text("a", "s")], [text("b")], [text("a", "s"), text("b")]],
    ["that is signed joins none", [text("a")], [text("b", "s")], [text("a"), text("b", "s")]],
    [
      "joins with its first part alone",
      [thought("x"), text("a")],
      [text("b"), thought("c"), text("d", "s")],
      [thought("x"), text("ab"), thought("c"), text("d", "s")],
    ],
  ];
  for (const [name, parts, more, expected] of joins) {
    test(`what a continued reply gains ${name}`, async (t) => {
      const store = await create(t);
      const { message, ends } = await continued(store, parts, { parts: more });
      assert.deepEqual(message?.parts, expected);
      for (const end of ends) {
        assert.deepEqual((await store.getTurn(alice, "s1", end.turnId))?.end, end);
      }
    });
  }

  test("a reply can be continued again and again", async (t) => {
    const store = await create(t);
    const { ends } = await continued(store, [text("a")], { finishReason: "cancelled" });
    const question = (await store.getTurn(alice, "s1", "t1"))?.turn.userMessage;
    const rest = { replyMessageId: "reply-t1", ...(question && { userMessage: question }) };
    await addTurn(store, sampleTurn("t3", { type: "continue", ...rest }));
    const last = await run(store, "t3", { sequence: 12, parts: [text("!")] });
    const message = await store.getMessage(alice, "s1", "reply-t1");
    assert.deepEqual(message?.parts, [text("aanswer t2!")]);
    for (const end of [...ends, last]) {
      assert.deepEqual((await store.getTurn(alice, "s1", end.turnId))?.end, end);
    }
  });

  test("a continuation that fails without a text leaves the reply as it was", async (t) => {
    const store = await create(t);
    const error = {
      kind: "unavailable",
      reason: "MODEL_FAILED",
      message: "x",
      retryable: true,
    } as const;
    const failed = { finishReason: "failed", parts: [], error } as const;
    const { message } = await continued(store, [text("a")], failed);
    assert.equal(message?.finishReason, "max_tokens");
    assert.equal(message?.state, "complete");
    assert.equal(message?.errorReason, undefined);
  });

  test("a continuation that fails with a text says why, and the next that ends takes it back", async (t) => {
    const store = await create(t);
    const error = {
      kind: "unavailable",
      reason: "MODEL_FAILED",
      message: "x",
      retryable: true,
    } as const;
    const { message } = await continued(store, [text("a")], { finishReason: "failed", error });
    assert.equal(message?.state, "partial");
    assert.equal(message?.errorReason, "MODEL_FAILED");
    const question = (await store.getTurn(alice, "s1", "t1"))?.turn.userMessage;
    const rest = { replyMessageId: "reply-t1", ...(question && { userMessage: question }) };
    await addTurn(store, sampleTurn("t3", { type: "continue", ...rest }));
    await run(store, "t3", { sequence: 12 });
    const whole = await store.getMessage(alice, "s1", "reply-t1");
    assert.equal(whole?.state, "complete");
    assert.equal(whole?.errorReason, undefined);
  });
}
