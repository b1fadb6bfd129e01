import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { FinishReason, MessageState, Usage } from "../../src/chat/message.ts";
import type { Store } from "../../src/chat/store.ts";
import type { TurnEnd, TurnError } from "../../src/chat/turn.ts";
import { alice, newTurn, noUsage, sampleEnd, sampleSession, sampleTurn } from "./store-samples.ts";
import { type CreateStore, oldestFirst, staleFence } from "./store-steps.ts";

export function endTests(create: CreateStore): void {
  async function running(t: TestContext): Promise<{ store: Store; fence: number }> {
    const store = await create(t);
    await store.createTurn(newTurn(sampleTurn("t1"), { session: sampleSession() }));
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
    await store.createTurn(newTurn(sampleTurn("t2")));
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
    assert.equal(details?.lastSequence, 4);
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
    assert.equal(details?.lastSequence, 4);
    assert.equal(details?.updatedAt, 3_000);
    const { items } = await store.listMessages(alice, "s1", oldestFirst);
    assert.equal(items[1]?.finishReason, "stop");
  });

  test("an end with another fence than the turn's is stale, and changes nothing", async (t) => {
    const { store, fence } = await running(t);
    await assert.rejects(store.endTurn(sampleEnd("t1", fence + 1)), staleFence);
    await assert.rejects(store.endTurn(sampleEnd("t1", fence - 1)), staleFence);
    await store.createTurn(newTurn(sampleTurn("t2")));
    await assert.rejects(store.endTurn(sampleEnd("t2", 0)), staleFence);
    assert.equal((await store.getSession(alice, "s1"))?.runningTurnId, "t1");
    await store.endTurn(sampleEnd("t1", fence));
  });

  test("an end whose session is gone is no error; one of an unknown turn is", async (t) => {
    const { store, fence } = await running(t);
    await assert.rejects(store.endTurn(sampleEnd("unknown", fence)), { reason: "TURN_NOT_FOUND" });
    await store.deleteSession(alice, "s1", 9_000);
    await store.endTurn(sampleEnd("t1", fence));
    assert.equal(await store.getSession(alice, "s1"), undefined);
  });
}
