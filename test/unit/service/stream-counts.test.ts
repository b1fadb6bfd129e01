import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatError } from "../../../src/chat/errors.ts";
import { createStreamCounts } from "../../../src/service/stream-counts.ts";
import { callerOf } from "../../support/caller.ts";

const ada = { ...callerOf("ada"), limits: { streamsMax: 2 } };
const bob = { ...callerOf("bob"), limits: {} };

test("a stream counts until its call is over, for its caller and in all", () => {
  const counts = createStreamCounts();
  const calls = [ada, ada, bob].map((caller) => {
    const call = new AbortController();
    counts.open(caller, call.signal);
    return call;
  });
  assert.deepEqual([counts.count(), counts.count(ada), counts.count(bob)], [3, 2, 1]);
  for (const call of calls) call.abort();
  assert.deepEqual([counts.count(), counts.count(ada), counts.count(bob)], [0, 0, 0]);
});

test("one more than a caller may have is refused, counts nothing, and says when to come back", () => {
  const counts = createStreamCounts();
  const first = new AbortController();
  counts.open(ada, first.signal);
  counts.open(ada, new AbortController().signal);
  assert.throws(
    () => counts.open(ada, new AbortController().signal),
    (error) =>
      error instanceof ChatError &&
      error.reason === "TOO_MANY_STREAMS" &&
      error.kind === "resource_exhausted" &&
      error.retryable &&
      error.retryAfterMs === 5_000 &&
      error.quotas[0]?.subject === "STREAMS_PER_PRINCIPAL_MAX",
  );
  assert.deepEqual([counts.count(), counts.count(ada)], [2, 2]);
  counts.open(bob, new AbortController().signal);
  first.abort();
  counts.open(ada, new AbortController().signal);
  assert.equal(counts.count(ada), 2);
});

test("who may have none is told that waiting does not help", () => {
  const none = { ...ada, limits: { streamsMax: 0 } };
  assert.throws(
    () => createStreamCounts().open(none, new AbortController().signal),
    (error) => error instanceof ChatError && !error.retryable,
  );
});

test("a call that is over already is not counted", () => {
  const counts = createStreamCounts();
  counts.open(ada, AbortSignal.abort());
  assert.equal(counts.count(), 0);
});

test("callers of one rate key share what they may have", () => {
  const counts = createStreamCounts();
  const [one, other] = ["a", "b"].map((principal) => ({ ...ada, principal, rateKey: "shared" }));
  assert.ok(one && other);
  counts.open(one, new AbortController().signal);
  counts.open(other, new AbortController().signal);
  assert.throws(() => counts.open(one, new AbortController().signal));
});
