import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { TurnError } from "../../../src/client/turn-error.ts";
import {
  type ChatResponse,
  ChatResponse_Type as EventType,
  FinishReason,
  OnDisconnect,
} from "../../../src/gen/chat/chat_pb.ts";
import { type FakeTurn, refusal } from "../../support/fake-chat.ts";
import { createMemoryClient } from "./memory-client.ts";

const timeout = 10_000;

function replyInWords(turn: FakeTurn): void {
  for (const word of ["one ", "two ", "three"]) turn.chunk(word);
  turn.end();
}

async function textOf(events: AsyncIterable<ChatResponse>): Promise<string> {
  let text = "";
  for await (const { chunkText } of events) text += chunkText;
  return text;
}

const outcome = (expected: string, code: Code) => (error: unknown) => {
  assert.ok(error instanceof TurnError, String(error));
  assert.equal(error.outcome, expected);
  assert.equal(error.cause.code, code);
  return true;
};

test("a turn gives its events, then its result with header and trailer", { timeout }, async (t) => {
  const { client, chat } = createMemoryClient(t);
  chat.openSession("s");
  chat.autoReply = replyInWords;
  const turn = client.session("s").send("hi");
  assert.equal(await textOf(turn.events), "one two three");
  const result = await turn.result();
  assert.equal(result.text, "one two three");
  assert.equal(result.finishReason, FinishReason.STOP);
  assert.equal(result.failure, undefined);
  assert.equal(result.header.get("chat-session-id"), "s");
  assert.equal(result.trailer?.get("chat-turns"), "1");
  assert.deepEqual([turn.sessionId, turn.turnId], ["s", "turn-1"]);
});

test("a result comes without anybody reading the events, however long the reply", {
  timeout,
}, async (t) => {
  const { client, chat } = createMemoryClient(t, { buffer: { itemsMax: 4 } });
  chat.autoReply = (turn) => {
    for (let index = 0; index < 100; index += 1) turn.chunk("x");
    turn.end();
  };
  const { text, sessionId } = await client.send("hi").result();
  assert.equal(text, "x".repeat(100));
  assert.equal(sessionId, "session-1");
});

test("events and result may be asked for in the same moment, in either order", {
  timeout,
}, async (t) => {
  const { client, chat } = createMemoryClient(t, { buffer: { itemsMax: 2 } });
  chat.autoReply = replyInWords;
  const first = client.send("1");
  const second = client.send("2");
  const [{ text }, read] = await Promise.all([first.result(), textOf(first.events)]);
  const [readToo] = await Promise.all([textOf(second.events), second.result()]);
  assert.deepEqual([text, read, readToo], Array(3).fill("one two three"));
});

test("a turn whose connection is cut is sent again with its request_id, and the model runs once", {
  timeout,
}, async (t) => {
  const { client, chat, server, clock, faults } = createMemoryClient(t);
  chat.openSession("s");
  chat.autoReply = replyInWords;
  faults.push({ refused: true }, { cutAfter: 0 }, { cutAfter: 3 }, { cutAfter: 1, twice: 1 });
  const turn = client.session("s").send("hi");
  assert.equal(await clock.run(textOf(turn.events)), "one two three");
  assert.equal((await turn.result()).text, "one two three");
  assert.equal(chat.modelRuns.length, 1);
  const sent = server.of("streamChat").map(({ request }) => request as Record<string, unknown>);
  assert.deepEqual(
    sent.map(({ requestId }) => requestId),
    Array(4).fill(turn.requestId),
  );
  assert.deepEqual(
    sent.map(({ afterSequence }) => afterSequence),
    [0n, 0n, 3n, 4n],
  );
});

test("a lost stream is no decision to cancel: on_disconnect is GRACE unless it is chosen", {
  timeout,
}, async (t) => {
  const { client, chat } = createMemoryClient(t);
  chat.autoReply = replyInWords;
  await client.send("a").result();
  await client.send("b", { onDisconnect: OnDisconnect.CONTINUE }).result();
  assert.deepEqual(
    chat.modelRuns.map(({ onDisconnect }) => onDisconnect),
    [OnDisconnect.GRACE, OnDisconnect.CONTINUE],
  );
});

test("silence is a loss for a turn too", { timeout }, async (t) => {
  const { client, chat, clock, faults } = createMemoryClient(t);
  chat.autoReply = replyInWords;
  faults.push({ silentAfter: 3 });
  const { text } = await clock.run(client.send("hi").result());
  assert.equal(text, "one two three");
  assert.equal(clock.now(), 37_500 + 125);
});

test("a chunk that is left out is asked for again", { timeout }, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  chat.autoReply = replyInWords;
  let lies = 1;
  server.lie = (event) => (event.chunkText === "two " && lies-- > 0 ? undefined : event);
  assert.equal((await clock.run(client.send("hi").result())).text, "one two three");
  lies = Number.POSITIVE_INFINITY;
  const never = client.send("hi again").result();
  never.catch(() => undefined);
  await assert.rejects(clock.run(never), outcome("unknown", Code.DataLoss));
});

test("a turn that failed is a result, with why, and is not sent again", { timeout }, async (t) => {
  const { client, chat, server } = createMemoryClient(t);
  chat.autoReply = (turn) => {
    turn.chunk("half");
    turn.end(FinishReason.FAILED, {
      type: EventType.ERROR,
      errorReason: "MODEL_UNAVAILABLE",
      errorMessage: "no",
      retryable: true,
      retryAfterMs: 50,
    });
  };
  const { text, failure, finishReason } = await client.send("hi").result();
  assert.equal(text, "half");
  assert.equal(finishReason, FinishReason.FAILED);
  assert.deepEqual(failure, {
    reason: "MODEL_UNAVAILABLE",
    message: "no",
    retryable: true,
    retryAfterMs: 50,
  });
  assert.equal(server.of("streamChat").length, 1);
});

test("an unrecorded ERROR is no end: the recorded one is heard after the storage is back", {
  timeout,
}, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  const turn = client.send("hi");
  await clock.settle();
  server.tell({ type: EventType.ERROR, errorReason: "STORAGE_UNAVAILABLE" });
  server.stop();
  await clock.settle();
  const [fake] = chat.turns.values();
  fake?.end(FinishReason.INTERRUPTED, { type: EventType.ERROR, errorReason: "SERVER_STOPPED" });
  const { failure } = await clock.run(turn.result());
  assert.equal(failure?.reason, "SERVER_STOPPED");
  assert.equal(chat.modelRuns.length, 1);
});

const refusals: [Code, string][] = [
  [Code.InvalidArgument, "INVALID_REQUEST"],
  [Code.FailedPrecondition, "SESSION_BUSY"],
  [Code.AlreadyExists, "INVALID_REQUEST"],
  [Code.NotFound, "SESSION_NOT_FOUND"],
  [Code.Unauthenticated, "UNAUTHENTICATED"],
  [Code.PermissionDenied, "PERMISSION_DENIED"],
  [Code.Unimplemented, "NOT_IMPLEMENTED"],
  [Code.ResourceExhausted, "TOO_LARGE"],
  [Code.Internal, "INTERNAL"],
];
for (const [code, reason] of refusals) {
  test(`${reason} with ${Code[code]} is refused and not sent again`, { timeout }, async (t) => {
    const { client, server } = createMemoryClient(t);
    server.refuse("streamChat", refusal(code, reason));
    const turn = client.send("hi");
    await assert.rejects(turn.result(), outcome("refused", code));
    await assert.rejects(async () => {
      for await (const event of turn.events) assert.fail(event.turnId);
    }, TurnError);
    assert.equal(server.of("streamChat").length, 1);
  });
}

test("RESOURCE_EXHAUSTED with RetryInfo is waited out", { timeout }, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  chat.autoReply = replyInWords;
  server.refuse("streamChat", refusal(Code.ResourceExhausted, "TOO_MANY_TURNS", 4_000));
  await clock.run(client.send("hi").result());
  assert.equal(clock.now(), 4_125);
});

test("after a lost attempt a denial leaves the outcome unknown, and a busy session does not", {
  timeout,
}, async (t) => {
  const { client, server, clock, faults } = createMemoryClient(t);
  for (const [code, reason, expected] of [
    [Code.Unauthenticated, "UNAUTHENTICATED", "unknown"],
    [Code.FailedPrecondition, "SESSION_BUSY", "refused"],
  ] as const) {
    faults.push({ refused: true });
    server.refuse("streamChat", refusal(code, reason));
    const result = client.send("hi").result();
    result.catch(() => undefined);
    await assert.rejects(clock.run(result), outcome(expected, code));
  }
});

test("a turn is given up when no server is heard for its budget, its outcome unknown", {
  timeout,
}, async (t) => {
  const { client, clock, faults } = createMemoryClient(t, { retry: { turnBudgetMs: 60_000 } });
  faults.push(...Array.from({ length: 100 }, () => ({ refused: true })));
  const turn = client.send("hi");
  const result = turn.result();
  result.catch(() => undefined);
  await assert.rejects(clock.run(result), (error: TurnError) => {
    assert.equal(error.requestId, turn.requestId);
    return outcome("unknown", Code.Aborted)(error);
  });
  assert.ok(clock.now() <= 60_000 && clock.now() > 45_000, String(clock.now()));
});

test("a draining server: its open turn is heard to the end, a new one goes elsewhere", {
  timeout,
}, async (t) => {
  const { client, chat, replicas, clock } = createMemoryClient(t, { servers: 2 });
  const [first, second] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
  const open = client.send("hi");
  await clock.settle();
  first.drain();
  await clock.settle();
  const fresh = client.send("ho");
  await clock.settle();
  assert.deepEqual([first.of("streamChat").length, second.of("streamChat").length], [1, 1]);
  for (const turn of chat.turns.values()) replyInWords(turn);
  assert.equal((await open.result()).text, "one two three");
  assert.equal((await fresh.result()).text, "one two three");
});

test("a program that starts again comes back to its turn by request_id and sequence", {
  timeout,
}, async (t) => {
  const { client, chat } = createMemoryClient(t);
  chat.autoReply = replyInWords;
  await client.send("hi", { requestId: "mine" }).result();
  const again = client.send("hi", { requestId: "mine", afterSequence: 3n, afterEpoch: 1 });
  assert.equal((await again.result()).text, "two three");
  assert.equal(chat.modelRuns.length, 1);
});

test("`break` leaves the turn: the call ends, the outcome is unknown, the turn goes on", {
  timeout,
}, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  const turn = client.send("hi");
  for await (const event of turn.events) if (event.sequence === 2n) break;
  await assert.rejects(turn.result(), outcome("unknown", Code.Canceled));
  await clock.settle();
  assert.equal(server.open(), 0);
  assert.equal(server.of("cancelTurn").length, 0);
  assert.equal([...chat.turns.values()][0]?.ended, undefined);
});

test("a signal that aborts leaves the turn and no listener; one that has aborted sends nothing", {
  timeout,
}, async (t) => {
  const { client, server, clock } = createMemoryClient(t);
  const controller = new AbortController();
  const { signal } = controller;
  const turn = client.send("hi", { signal });
  await clock.settle();
  controller.abort();
  await assert.rejects(turn.result(), outcome("unknown", Code.Canceled));
  assert.equal(getEventListeners(signal, "abort").length, 0);
  await assert.rejects(client.send("hi", { signal }).result(), outcome("refused", Code.Canceled));
  assert.equal(server.of("streamChat").length, 1);
});

test("close gives up what runs, and nobody's rejection is left unhandled", {
  timeout,
}, async (t) => {
  const { client, clock } = createMemoryClient(t);
  const turn = client.send("hi");
  await clock.settle();
  await client.close();
  await clock.settle();
  await assert.rejects(turn.result(), outcome("unknown", Code.Canceled));
});

test("cancel stops the turn by its id, and the result tells CANCELLED", { timeout }, async (t) => {
  const { client, server, clock } = createMemoryClient(t);
  const turn = client.send("hi");
  await clock.settle();
  assert.partialDeepStrictEqual(await turn.cancel(), { cancelled: true, turnId: "turn-1" });
  assert.equal((await turn.result()).finishReason, FinishReason.CANCELLED);
  assert.partialDeepStrictEqual(server.of("cancelTurn")[0]?.request, { turnId: "turn-1" });
  assert.partialDeepStrictEqual(await turn.cancel(), { cancelled: true });
  assert.equal(server.of("cancelTurn").length, 1);
});

test("cancel names the request where the turn's id was never learnt", { timeout }, async (t) => {
  const { client, chat, server, clock, faults } = createMemoryClient(t);
  chat.openSession("s");
  faults.push({ silentAfter: 0 });
  const turn = client.session("s").send("hi");
  await clock.settle();
  assert.partialDeepStrictEqual(await turn.cancel(), { cancelled: true, turnId: "turn-1" });
  const request = server.of("cancelTurn")[0]?.request;
  assert.partialDeepStrictEqual(request, { turnId: "", requestId: turn.requestId });
  assert.equal((await clock.run(turn.result())).finishReason, FinishReason.CANCELLED);
});

test("cancel before the server knows the turn waits for it", { timeout }, async (t) => {
  const { client, chat, server, clock } = createMemoryClient(t);
  chat.openSession("s");
  const gate = Promise.withResolvers<void>();
  server.before = ({ method }) => (method === "streamChat" ? gate.promise : undefined);
  const turn = client.session("s").send("hi");
  const cancelled = turn.cancel();
  await clock.settle();
  assert.equal(server.of("cancelTurn").length, 1);
  gate.resolve();
  assert.partialDeepStrictEqual(await cancelled, { cancelled: true });
  assert.equal((await turn.result()).finishReason, FinishReason.CANCELLED);
});

test("a turn that never reached the server is not sent again once it is cancelled", {
  timeout,
}, async (t) => {
  const { client, chat, server, clock, faults } = createMemoryClient(t);
  chat.openSession("s");
  faults.push({ refused: true });
  const turn = client.session("s").send("hi");
  await clock.settle();
  assert.partialDeepStrictEqual(await turn.cancel(), { cancelled: false });
  await assert.rejects(turn.result(), outcome("refused", Code.Canceled));
  assert.equal(server.of("streamChat").length, 0);
  assert.equal(chat.modelRuns.length, 0);
});

test("a turn that was refused for now and is cancelled is not sent again, and was not begun", {
  timeout,
}, async (t) => {
  const { client, server, clock } = createMemoryClient(t);
  server.refuse("streamChat", refusal(Code.Unavailable, "SERVER_DRAINING", 9_000));
  const turn = client.send("hi");
  await clock.settle();
  assert.partialDeepStrictEqual(await turn.cancel(), { cancelled: false });
  await assert.rejects(turn.result(), outcome("refused", Code.Canceled));
  assert.equal(server.of("streamChat").length, 1);
});

test("a turn that has begun is never told as refused", { timeout }, async (t) => {
  const { client, server, clock, faults } = createMemoryClient(t);
  faults.push({ silentAfter: 2 });
  const turn = client.send("hi");
  await clock.settle();
  server.refuse("streamChat", refusal(Code.FailedPrecondition, "SESSION_BUSY"));
  const result = turn.result();
  result.catch(() => undefined);
  await assert.rejects(clock.run(result), outcome("unknown", Code.FailedPrecondition));
});
