import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { FinishReason } from "../../../src/gen/chat/chat_pb.ts";
import { createMemoryClient } from "./memory-client.ts";

const timeout = 10_000;

test("cancel after break stops the turn, which ran on", { timeout }, async (t) => {
  const { client, chat, server } = createMemoryClient(t);
  const turn = client.send("hi");
  for await (const _event of turn.events) break;
  const endOf = () => chat.turns.get(turn.requestId)?.ended;
  assert.equal(endOf(), undefined, "it runs on");
  assert.partialDeepStrictEqual(await turn.cancel(), { cancelled: true, turnId: "turn-1" });
  assert.equal(endOf()?.finishReason, FinishReason.CANCELLED);
  assert.equal(server.of("cancelTurn").length, 1);
  // What was said once stays so, though the server knows of no turn that runs.
  assert.partialDeepStrictEqual(await turn.cancel(), { cancelled: true, turnId: "turn-1" });
  assert.equal(server.of("cancelTurn").length, 1);
});

test("cancel after the signal has aborted in mid stream stops the turn", { timeout }, async (t) => {
  const { client, chat, clock } = createMemoryClient(t);
  const leaving = new AbortController();
  const turn = client.send("hi", { signal: leaving.signal });
  turn.result().catch(() => undefined);
  await clock.settle();
  assert.equal(turn.turnId, "turn-1");
  leaving.abort();
  await clock.settle();
  assert.partialDeepStrictEqual(await turn.cancel(), { cancelled: true, turnId: "turn-1" });
  assert.equal(chat.turns.get(turn.requestId)?.ended?.finishReason, FinishReason.CANCELLED);
});

test("cancel after leaving says what the server says of a turn that has ended", {
  timeout,
}, async (t) => {
  const { client, chat } = createMemoryClient(t);
  const turn = client.send("hi");
  for await (const _event of turn.events) break;
  chat.turns.get(turn.requestId)?.end();
  assert.partialDeepStrictEqual(await turn.cancel(), { cancelled: false, turnId: "turn-1" });
});

test("cancel after leaving asks again for a request that may still be on its way", {
  timeout,
}, async (t) => {
  const { client, chat, server, clock, faults } = createMemoryClient(t);
  chat.openSession("s");
  faults.push({ silentAfter: 0 });
  const leaving = new AbortController();
  const turn = client.session("s").send("hi", { signal: leaving.signal });
  turn.result().catch(() => undefined);
  await clock.settle();
  const [sent] = [...chat.turns.values()];
  assert.ok(sent);
  // The server has the request, and its turn is about to be made.
  chat.turns.delete(turn.requestId);
  server.before = ({ method }) => {
    if (server.of(method).length === 3) chat.turns.set(turn.requestId, sent);
  };
  leaving.abort();
  assert.partialDeepStrictEqual(await clock.run(turn.cancel()), { cancelled: true });
  assert.equal(server.of("cancelTurn").length, 3);
});

test("cancel after leaving gives up on a request that never arrived", { timeout }, async (t) => {
  const { client, chat, clock, faults } = createMemoryClient(t);
  chat.openSession("s");
  faults.push({ silentAfter: 0 });
  const leaving = new AbortController();
  const turn = client.session("s").send("hi", { signal: leaving.signal });
  turn.result().catch(() => undefined);
  await clock.settle();
  chat.turns.clear();
  leaving.abort();
  const answer = await clock.run(turn.cancel());
  assert.partialDeepStrictEqual(answer, { cancelled: false, turnId: "" });
});

test("cancel of a turn that was left before anything was sent asks nobody", {
  timeout,
}, async (t) => {
  const { client, server } = createMemoryClient(t);
  const turn = client.send("hi", { signal: AbortSignal.abort() });
  await assert.rejects(turn.result());
  assert.partialDeepStrictEqual(await turn.cancel(), { cancelled: false, turnId: "" });
  assert.equal(server.calls.length, 0);
});

test("cancel after close throws, as nothing can be sent any more", { timeout }, async (t) => {
  const { client, clock } = createMemoryClient(t);
  const turn = client.send("hi");
  turn.result().catch(() => undefined);
  await clock.settle();
  await client.close();
  await assert.rejects(turn.cancel(), (error) => ConnectError.from(error).code === Code.Canceled);
});
