import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  classifyError,
  type ErrorClass,
  errorReason,
  isRetryable,
  retryAfterMs,
} from "../../../src/client/errors.ts";
import { refusal } from "../../support/fake-chat.ts";

/** As a client gets it from a server. */
function fromWire(code: Code, reason?: string, delayMs?: number): ConnectError {
  const error = reason === undefined ? new ConnectError("x", code) : refusal(code, reason, delayMs);
  error.isWireError = true;
  return error;
}

const rows: [string, unknown, ErrorClass][] = [
  ["UNAVAILABLE", fromWire(Code.Unavailable, "SERVER_DRAINING"), "retry"],
  ["a deadline", fromWire(Code.DeadlineExceeded), "retry"],
  ["a deadline of the model", fromWire(Code.DeadlineExceeded, "MODEL_IDLE_TIMEOUT"), "refused"],
  ["a model that is down", fromWire(Code.Unavailable, "MODEL_UNAVAILABLE", 50), "refused"],
  ["a quota with a time", fromWire(Code.ResourceExhausted, "TOO_MANY_TURNS", 50), "retry"],
  ["a quota without one", fromWire(Code.ResourceExhausted, "TOO_LARGE"), "refused"],
  ["another epoch", fromWire(Code.DataLoss, "EPOCH_CHANGED"), "reload"],
  ["a cursor in the future", fromWire(Code.OutOfRange, "SEQUENCE_OUT_OF_RANGE"), "reload"],
  ["no such session", fromWire(Code.NotFound, "SESSION_NOT_FOUND"), "gone"],
  ["no token", fromWire(Code.Unauthenticated), "denied"],
  ["a token that may not", fromWire(Code.PermissionDenied), "denied"],
  ["a bad field", fromWire(Code.InvalidArgument, "INVALID_REQUEST"), "refused"],
  ["another payload", fromWire(Code.AlreadyExists, "INVALID_REQUEST"), "refused"],
  ["a busy session", fromWire(Code.FailedPrecondition, "SESSION_BUSY"), "refused"],
  ["an old etag", fromWire(Code.Aborted, "INVALID_REQUEST"), "refused"],
  ["our server's fault", fromWire(Code.Internal, "INTERNAL"), "refused"],
  ["a proxy's fault", fromWire(Code.Internal), "retry"],
  ["a server that does not know the call", fromWire(Code.Unimplemented), "refused"],
  ["HTTP 401 of a proxy", new ConnectError("HTTP 401", Code.Unauthenticated), "denied"],
  ["HTTP 404 of a proxy", new ConnectError("HTTP 404", Code.Unimplemented), "refused"],
  [
    "a cut Connect stream",
    new ConnectError("missing EndStreamResponse", Code.InvalidArgument),
    "retry",
  ],
  ["a cut gRPC-Web stream", new ConnectError("missing trailer", Code.Internal), "retry"],
  ["a reset socket", new ConnectError("read ECONNRESET", Code.Aborted), "retry"],
  ["a fetch that failed", new TypeError("Failed to fetch"), "retry"],
];
for (const [name, error, expected] of rows) {
  test(`${name} is "${expected}"`, () => {
    assert.equal(classifyError(error), expected);
    assert.equal(isRetryable(error), expected === "retry");
  });
}

test("reason and RetryInfo are read from the details, and only ours", () => {
  const error = fromWire(Code.Unavailable, "SERVER_DRAINING", 1_500);
  assert.equal(errorReason(error), "SERVER_DRAINING");
  assert.equal(retryAfterMs(error), 1_500);
  assert.equal(errorReason(fromWire(Code.Unavailable)), undefined);
  assert.equal(retryAfterMs(new Error("x")), undefined);
});
