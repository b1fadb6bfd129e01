import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { inspect } from "node:util";
import { ApiError } from "@google/genai";
import { toModelError } from "../../../src/model/gemini-errors.ts";

const context = { modelId: "gemini-3.8-flash", apiKey: "AIza-secret" };

function apiError(status: number, message: string, details: unknown[] = []): ApiError {
  return new ApiError({ status, message: JSON.stringify({ error: { message, details } }) });
}

suite("an error of Gemini in our words", () => {
  test("never shows the key, not even in its cause", () => {
    for (const error of [
      apiError(400, "key AIza-secret is odd"),
      apiError(403, "AIza-secret"),
      new TypeError("fetch failed", { cause: new Error("connect https://x/?key=AIza-secret") }),
      new TypeError('Headers.append: "AIza-secret" is an invalid header value.'),
      new Error("AIza-secret"),
    ]) {
      const failure = toModelError(error, context);
      assert.ok(!inspect(failure, { depth: null }).includes("AIza-secret"), inspect(failure));
    }
  });

  test("reads the delay wherever the details have it, and no nonsense", () => {
    const delayOf = (retryDelay: unknown) =>
      toModelError(apiError(429, "quota", [{ links: [] }, { retryDelay }]), context).retryAfterMs;
    assert.equal(delayOf("1.0001s"), 1_001);
    assert.equal(delayOf("0s"), 0);
    for (const nonsense of ["-1s", "1e9s", "soon", 5, null, ["1s"]]) {
      assert.equal(delayOf(nonsense), undefined);
    }
  });

  test("bodies that are no JSON of Google's still have a kind", () => {
    for (const message of [
      "",
      "<html>",
      "[]",
      "null",
      '{"error":"x"}',
      '{"error":{"details":{}}}',
      "{",
    ]) {
      assert.equal(
        toModelError(new ApiError({ status: 502, message }), context).kind,
        "unavailable",
      );
    }
    const array = new ApiError({
      status: 429,
      message: '[{"error":{"details":[{"retryDelay":"3s"}]}}]',
    });
    assert.equal(toModelError(array, context).retryAfterMs, 3_000);
  });

  test("what is not known is internal, and not tried again", () => {
    for (const error of [new Error("?"), "?", undefined, new TypeError("x is not a function")]) {
      const { kind, reason, retryable } = toModelError(error, context);
      assert.deepEqual([kind, reason, retryable], ["internal", "MODEL_FAILED", false]);
    }
  });
});
