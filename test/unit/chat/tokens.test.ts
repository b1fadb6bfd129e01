import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { estimatePartTokens, estimateTokens, estimateUsage } from "../../../src/chat/tokens.ts";
import { textPart, thoughtPart } from "../../support/models.ts";

describe("estimated tokens", () => {
  it("are four bytes each, rounded up", () => {
    assert.deepEqual(["", "a", "abcd", "abcde", "字字"].map(estimateTokens), [0, 1, 1, 2, 2]);
    assert.equal(estimatePartTokens([textPart("abcd"), thoughtPart("abcde")]), 3);
  });

  it("count thoughts apart from the reply, and say that they are estimated", () => {
    assert.deepEqual(estimateUsage(7, [thoughtPart("abcd"), textPart("abcdefgh")]), {
      inputTokens: 7,
      outputTokens: 2,
      thinkingTokens: 1,
      cachedTokens: 0,
      totalTokens: 10,
      estimated: true,
    });
  });
});
