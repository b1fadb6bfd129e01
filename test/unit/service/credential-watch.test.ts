import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Identity } from "../../../src/auth/authenticator.ts";
import { createCredentialWatch } from "../../../src/service/credential-watch.ts";
import { callerOf } from "../../support/caller.ts";
import { assertError } from "../../support/wire.ts";

/** Somebody whose credential a test takes away. */
function createIdentity(method: Identity["method"] = "key") {
  let isGood = true;
  const identity: Identity = {
    ...callerOf("ada"),
    scopes: new Set(["chat"]),
    method,
    credentialId: "id",
    isValid: () => isGood,
  };
  const revoke = () => {
    isGood = false;
  };
  return { identity, revoke };
}

test("a stream is ended with UNAUTHENTICATED when its credential is found bad, and only once", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const watch = createCredentialWatch();
  t.after(() => watch.close());
  const { identity, revoke } = createIdentity();
  const reasons: unknown[] = [];
  const other = t.mock.fn();
  watch.watch(identity, (reason) => reasons.push(reason), new AbortController().signal);
  watch.watch(createIdentity().identity, other, new AbortController().signal);
  t.mock.timers.tick(60_000);
  assert.deepEqual(reasons, []);
  revoke();
  // With the 30 s that a token is good past its end, or the 5 s in which a file is read again, within 60 s.
  t.mock.timers.tick(15_000);
  const [reason, ...more]: unknown[] = reasons;
  assert.ok(reason instanceof ConnectError && more.length === 0);
  assertError(reason, Code.Unauthenticated, "UNAUTHENTICATED");
  t.mock.timers.tick(60_000);
  assert.equal(reasons.length, 1);
  assert.equal(other.mock.callCount(), 0);
});

test("a stream that is over is neither asked nor ended", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const watch = createCredentialWatch({ everyMs: 10 });
  t.after(() => watch.close());
  const { identity, revoke } = createIdentity();
  const end = t.mock.fn();
  const call = new AbortController();
  watch.watch(identity, end, call.signal);
  watch.watch(identity, end, AbortSignal.abort());
  call.abort();
  revoke();
  t.mock.timers.tick(100);
  assert.equal(end.mock.callCount(), 0);
  assert.equal(getEventListeners(call.signal, "abort").length, 0);
});

test("a caller without a credential has none that ends", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const watch = createCredentialWatch({ everyMs: 10 });
  t.after(() => watch.close());
  const { identity, revoke } = createIdentity("anonymous");
  const end = t.mock.fn();
  watch.watch(identity, end, new AbortController().signal);
  revoke();
  t.mock.timers.tick(100);
  assert.equal(end.mock.callCount(), 0);
});

test("every stream of a credential is ended", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const watch = createCredentialWatch({ everyMs: 10 });
  t.after(() => watch.close());
  const { identity, revoke } = createIdentity();
  const ended = t.mock.fn();
  for (let count = 0; count < 3; count += 1) {
    watch.watch(identity, ended, new AbortController().signal);
  }
  revoke();
  t.mock.timers.tick(10);
  assert.equal(ended.mock.callCount(), 3);
});
