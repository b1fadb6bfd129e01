import assert from "node:assert/strict";
import { test } from "node:test";
import type { NewFork, Store } from "../../src/chat/store.ts";
import { alice, bob, noUsage, sampleSession, sampleTurn } from "./store-samples.ts";
import {
  acquire,
  addTurn,
  type CreateStore,
  fill,
  idsOf,
  notFound,
  oldestFirst,
  run,
} from "./store-steps.ts";

export function forkTests(create: CreateStore): void {
  function forkOf(fields: Partial<NewFork> = {}): NewFork {
    let copies = 0;
    return {
      principal: alice,
      fromSessionId: "s1",
      upToMessageId: "",
      sessionId: "s2",
      title: "fork",
      createdAt: 5_000,
      newMessageId() {
        copies += 1;
        return `copy-${copies}`;
      },
      ...fields,
    };
  }

  async function original(store: Store): Promise<void> {
    const settings = { generation: { seed: 3 }, metadata: { a: "b" }, systemInstruction: "Be." };
    await store.createSession(sampleSession({ title: "old", ...settings }));
    await fill(store, "t1", "t2", "t3");
    await store.replaceMessages("s1", ["question-t2", "reply-t2"], "t3");
    await addTurn(store, sampleTurn("t4"));
  }

  async function textsOf(store: Store, sessionId: string): Promise<string[]> {
    const { items } = await store.listMessages(alice, sessionId, oldestFirst);
    return items.flatMap(({ parts }) => parts.map(({ text }) => text));
  }

  test("a fork has nothing of a turn that runs, and a fork of a fork has everything", async (t) => {
    const store = await create(t);
    await store.createSession(sampleSession());
    await fill(store, "t1");
    await addTurn(store, sampleTurn("t2"));
    await acquire(store);
    await store.forkSession(forkOf());
    assert.deepEqual(await textsOf(store, "s2"), ["ask t1", "answer t1"]);
    await store.forkSession(forkOf({ fromSessionId: "s2", sessionId: "s3" }));
    assert.deepEqual(await textsOf(store, "s3"), ["ask t1", "answer t1"]);
  });

  test("a fork has the settings and what the history shows, under new ids", async (t) => {
    const store = await create(t);
    await original(store);
    const from = await store.getSession(alice, "s1");
    const fork = await store.forkSession(forkOf());
    assert.deepEqual(fork, {
      ...from,
      sessionId: "s2",
      title: "fork",
      createdAt: 5_000,
      updatedAt: 5_000,
      userMessages: 2,
      modelMessages: 2,
      usage: noUsage,
      lastSequence: 0,
      epoch: 1,
      runningTurnId: "",
      queuedTurnIds: [],
      forkedFromSessionId: "s1",
      etag: fork.etag,
      preview: "answer t3",
    });
    assert.deepEqual(await store.getSession(alice, "s2"), fork);
    assert.deepEqual(await textsOf(store, "s2"), ["ask t1", "answer t1", "ask t3", "answer t3"]);
    const { items } = await store.listMessages(alice, "s2", {
      ...oldestFirst,
      includeReplaced: true,
    });
    assert.equal(items.length, 4);
    const before = await store.listMessages(alice, "s1", oldestFirst);
    const known = new Set(idsOf(before));
    for (const message of items) {
      assert.ok(!known.has(message.messageId));
      const { sessionId, turnId, requestId, sequence } = message;
      const expected = { sessionId: "s2", turnId: "", requestId: "", sequence: 0 };
      assert.deepEqual({ sessionId, turnId, requestId, sequence }, expected);
    }
    assert.deepEqual(await store.getSession(alice, "s1"), from);
  });

  test("a fork ends where it was told to", async (t) => {
    const store = await create(t);
    await original(store);
    const fork = await store.forkSession(forkOf({ upToMessageId: "question-t3" }));
    assert.deepEqual(await textsOf(store, "s2"), ["ask t1", "answer t1", "ask t3"]);
    assert.deepEqual([fork.userMessages, fork.modelMessages], [2, 1]);
    assert.equal(fork.preview, "ask t3");
  });

  test("a fork without a title has the original's", async (t) => {
    const store = await create(t);
    await original(store);
    assert.equal((await store.forkSession(forkOf({ title: "" }))).title, "old");
  });

  test("a fork up to a message that the history does not show is refused", async (t) => {
    const store = await create(t);
    await original(store);
    for (const upToMessageId of ["unknown", "reply-t2", "question-t4"]) {
      await assert.rejects(store.forkSession(forkOf({ upToMessageId })), {
        kind: "not_found",
        reason: "MESSAGE_NOT_FOUND",
      });
    }
    await assert.rejects(store.forkSession(forkOf({ principal: bob })), notFound);
    await assert.rejects(store.forkSession(forkOf({ fromSessionId: "s9" })), notFound);
    assert.equal(await store.getSession(alice, "s2"), undefined);
  });

  test("the fork goes on where the original was, and the two are apart", async (t) => {
    const store = await create(t);
    await original(store);
    await store.forkSession(forkOf());
    await addTurn(store, sampleTurn("t5", { sessionId: "s2" }));
    await run(store, "t5", { sessionId: "s2", replyMessageId: "reply-t5" });
    const texts = ["ask t1", "answer t1", "ask t3", "answer t3", "ask t5", "answer t5"];
    assert.deepEqual(await textsOf(store, "s2"), texts);
    await store.deleteSession(alice, "s1", 9_000);
    await store.tidy();
    assert.deepEqual(await textsOf(store, "s2"), texts);
  });

  test("a reply that was copied can be continued", async (t) => {
    const store = await create(t);
    await original(store);
    await store.forkSession(forkOf());
    const { items } = await store.listMessages(alice, "s2", { ...oldestFirst, newestFirst: true });
    const [reply, question] = items;
    assert.ok(reply && question);
    const rest = { replyMessageId: reply.messageId, userMessage: question };
    await addTurn(store, sampleTurn("t5", { type: "continue", sessionId: "s2", ...rest }));
    const { turn } = await acquire(store, "s2");
    assert.deepEqual(turn.userMessage, question);
  });

  test("a session of many messages is copied whole, in order", async (t) => {
    const store = await create(t);
    const names = Array.from({ length: 70 }, (_item, index) => `t${index}`);
    await fill(store, ...names);
    await store.forkSession(forkOf());
    const { items } = await store.listMessages(alice, "s2", { ...oldestFirst, pageSize: 200 });
    const expected = names.flatMap((name) => [`ask ${name}`, `answer ${name}`]);
    assert.deepEqual(
      items.map(({ parts }) => parts[0]?.text),
      expected,
    );
    assert.equal(new Set(idsOf({ items, nextPageToken: "" })).size, 140);
  });
}
