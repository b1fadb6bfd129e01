import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { ChatError, type ChatErrorOptions } from "../../../src/chat/errors.ts";
import { toConnectError } from "../../../src/service/convert-errors.ts";

function headersOf(options: ChatErrorOptions, kind: ChatError["kind"] = "resource_exhausted") {
  const { metadata } = toConnectError(new ChatError(kind, "TOO_MANY_TURNS", "", options));
  return [metadata.get("grpc-retry-pushback-ms"), metadata.get("retry-after")];
}

describe("when to try again", () => {
  it("is told in milliseconds for gRPC and in whole seconds, rounded up, for HTTP", () => {
    assert.deepEqual(headersOf({ retryable: true, retryAfterMs: 1 }), ["1", "1"]);
    assert.deepEqual(headersOf({ retryable: true, retryAfterMs: 1_001 }), ["1001", "2"]);
    assert.deepEqual(headersOf({ retryable: true, retryAfterMs: 60_000 }), ["60000", "60"]);
    assert.deepEqual(headersOf({ retryAfterMs: 1_000 }, "unavailable"), ["1000", "1"]);
  });

  it("is never for gRPC where a call would wait too long, or in vain", () => {
    assert.deepEqual(headersOf({ retryable: true, retryAfterMs: 60_001 }), ["-1", "61"]);
    assert.deepEqual(headersOf({}), ["-1", null]);
    const recorded = { finish_reason: "FAILED", turn_id: "t" };
    const failed = headersOf({ retryable: true, retryAfterMs: 500, metadata: recorded });
    assert.deepEqual(failed, ["-1", "1"]);
  });

  it("is not told where nothing is known of it", () => {
    assert.deepEqual(headersOf({}, "not_found"), [null, null]);
    assert.deepEqual(headersOf({ retryable: true }, "unavailable"), [null, null]);
  });
});

it("a quotation that was cut within a character can be sent", () => {
  const half = "😀".slice(0, 1);
  const error = toConnectError(new ChatError("invalid_argument", "INVALID_REQUEST", half));
  assert.equal(error.rawMessage, "\u{fffd}");
  setTrailerStatus(new Headers(), error);
});
