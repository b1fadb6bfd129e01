import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../../src/gen/google/rpc/error_details_pb.ts";
import { createObservable } from "../../../web/src/client/observable.ts";
import { wakeDuring } from "../../../web/src/client/wake.ts";

const away = new ConnectError("refused", Code.Unavailable);
const info = create(ErrorInfoSchema, { domain: "chatwire", reason: "TOO_MANY_TURNS" });
const busy = new ConnectError("busy", Code.ResourceExhausted, undefined, [
  { desc: ErrorInfoSchema, value: info },
]);

function createFakes() {
  const trouble = createObservable<unknown>(undefined);
  let wakes = 0;
  const wake = () => {
    wakes += 1;
  };
  return { trouble, chat: { wake }, wakes: () => wakes };
}

test("while a call is waited for a server out of reach is tried often, and no longer", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const { trouble, chat, wakes } = createFakes();
  const { promise, resolve } = Promise.withResolvers<string>();
  const call = wakeDuring(promise, { chat, trouble });
  t.mock.timers.tick(2_000);
  assert.equal(wakes(), 0, "nothing is wrong");
  trouble.set(busy);
  t.mock.timers.tick(2_000);
  assert.equal(wakes(), 0, "it asked to wait");
  trouble.set(away);
  t.mock.timers.tick(4_000);
  assert.equal(wakes(), 2);
  trouble.set(undefined);
  assert.equal(wakes(), 2, "not at once");
  t.mock.timers.tick(2_000);
  assert.equal(wakes(), 3, "it is back, and the call may still wait");
  t.mock.timers.tick(2_000);
  assert.equal(wakes(), 3);
  trouble.set(away);
  resolve("done");
  assert.equal(await call, "done");
  t.mock.timers.tick(10_000);
  assert.equal(wakes(), 3);
});

test("what a call fails with is told, and ends the trying", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const { trouble, chat, wakes } = createFakes();
  trouble.set(away);
  await assert.rejects(wakeDuring(Promise.reject(away), { chat, trouble }), away);
  t.mock.timers.tick(10_000);
  assert.equal(wakes(), 0);
});
