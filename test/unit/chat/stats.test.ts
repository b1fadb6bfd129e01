import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FinishReason } from "../../../src/chat/message.ts";
import { createStatsBook, createStatsCounter } from "../../../src/chat/stats.ts";
import { noUsage } from "../../../src/chat/tokens.ts";
import type { TurnEnd } from "../../../src/chat/turn.ts";

describe("the statistics", () => {
  it("are zeros before anything has happened", () => {
    const { startedAt, ...counts } = createStatsCounter(1_000).read();
    assert.equal(startedAt, 1_000);
    assert.deepEqual(new Set(Object.values(counts)), new Set([0]));
  });

  it("count every request once: answered, failed or refused", () => {
    const stats = createStatsCounter(0);
    const complete: FinishReason[] = ["stop", "max_tokens", "safety", "other", "cancelled"];
    const failed: FinishReason[] = ["interrupted", "incomplete", "timeout", "failed"];
    for (const finishReason of [...complete, ...failed]) stats.ended(endOf({ finishReason }));
    stats.refused();
    stats.sessionCreated();
    const read = stats.read();
    assert.equal(read.successfulRequests, complete.length);
    assert.equal(read.failedRequests, failed.length + 1);
    assert.equal(read.totalRequests, read.successfulRequests + read.failedRequests);
    assert.equal(read.cancelledTurns, 1);
    assert.equal(read.sessionsCreated, 1);
  });

  it("average over the turns that ended, in seconds, and first chunks over those that had one", () => {
    const stats = createStatsCounter(0);
    stats.ended(endOf({ processingMs: 1_000, firstChunkMs: 500 }));
    stats.ended(endOf({ processingMs: 3_000, firstChunkMs: 1_500 }));
    stats.ended(endOf({ processingMs: 2_000 }));
    stats.refused();
    assert.equal(stats.read().averageResponseTime, 2);
    assert.equal(stats.read().averageFirstChunkTime, 1);
  });

  it("count a turn that was cancelled while it waited, and none of its time", () => {
    const stats = createStatsCounter(0);
    stats.ended(endOf({ processingMs: 1_000 }));
    stats.withdrawn();
    const { totalRequests, successfulRequests, cancelledTurns, averageResponseTime } = stats.read();
    assert.deepEqual([totalRequests, successfulRequests, cancelledTurns], [2, 2, 1]);
    assert.equal(averageResponseTime, 1);
  });

  it("sum the tokens", () => {
    const stats = createStatsCounter(0);
    const usage = { ...noUsage, inputTokens: 3, outputTokens: 5 };
    stats.ended(endOf({ usage }));
    stats.ended(endOf({ usage, finishReason: "failed" }));
    assert.equal(stats.read().inputTokens, 6);
    assert.equal(stats.read().outputTokens, 10);
  });
});

function endOf(overrides: Partial<TurnEnd>): TurnEnd {
  return {
    turnId: "turn",
    sessionId: "session",
    fence: 1,
    model: "test",
    finishReason: "stop",
    usage: noUsage,
    parts: [],
    replyMessageId: "reply",
    totalChunks: 0,
    processingMs: 0,
    sequence: 1,
    endedAt: 0,
    layout: [],
    ...overrides,
  };
}

describe("the statistics of principals", () => {
  it("are each one's own, and the whole is everybody's", () => {
    const book = createStatsBook(0);
    book.of("alice").ended(endOf({ finishReason: "stop" }));
    book.of("bob").refused();
    assert.equal(book.read("alice").totalRequests, 1);
    assert.equal(book.read("alice").failedRequests, 0);
    assert.equal(book.read("bob").failedRequests, 1);
    assert.equal(book.read("carol").totalRequests, 0);
    assert.equal(book.read().totalRequests, 2);
  });

  it("are kept for 10,000 principals; the one that was quiet longest begins anew", () => {
    const book = createStatsBook(0);
    for (const name of ["quiet", "busy"]) book.of(name).refused();
    for (let index = 0; index < 9_999; index += 1) {
      book.of(`principal ${index}`).refused();
      if (index === 0) book.of("busy").refused();
    }
    assert.equal(book.read("quiet").totalRequests, 0);
    assert.equal(book.read("busy").totalRequests, 2);
    assert.equal(book.read().totalRequests, 10_002);
  });
});
