import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import {
  ChatRequest_Type,
  ChatResponse_Type,
  FinishReason,
  Message_State,
} from "../../src/gen/chat/chat_pb.ts";
import {
  bidiLanes,
  binaryLanes,
  type LaneContext,
  overLanes,
  plainLanes,
} from "../support/lanes.ts";
import { openChat, openStreamChat, type StreamCall } from "../support/stream-call.ts";
import { modelAborts, modelCalls } from "../support/turn-checks.ts";
import { assertError, failureOf, replyOf, typeNames } from "../support/wire.ts";

const { CHUNK, RESPONSE_COMPLETE } = ChatResponse_Type;
const { CANCEL } = ChatRequest_Type;

async function openRunning({ chat }: LaneContext, requestId = "") {
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x20" });
  const call = openStreamChat(chat, { sessionId, message: "one", requestId });
  const { turnId } = await call.firstOf(CHUNK);
  return { sessionId, call, turnId };
}

async function assertCancelled({ app, chat }: LaneContext, sessionId: string, call: StreamCall) {
  // The answer came after the end was recorded, and the model had been told by then.
  const [, reply] = (await chat.listMessages({ sessionId })).messages;
  assert.equal((await app.metrics()).get(modelAborts), 1);
  assert.equal(await call.ended, undefined);
  const end = call.events.at(-1);
  assert.deepEqual([end?.type, end?.finishReason], [RESPONSE_COMPLETE, FinishReason.CANCELLED]);
  assert.equal(end?.usage?.estimated, true);
  assert.deepEqual(
    [reply?.state, reply?.finishReason, reply?.text],
    [Message_State.PARTIAL, FinishReason.CANCELLED, replyOf(call.events)],
  );
  const { cancelledTurns, successfulRequests } = await chat.getServerStats({});
  assert.deepEqual([cancelledTurns, successfulRequests], [1n, 1]);
}

overLanes("CancelTurn cancels by turn_id, once", plainLanes, {}, async (context) => {
  const { chat } = context;
  const { sessionId, call, turnId } = await openRunning(context);
  assert.deepEqual(await chat.cancelTurn({ sessionId, turnId: "another" }), {
    $typeName: "chat.CancelTurnResponse",
    cancelled: false,
    turnId: "",
  });
  const answer = await chat.cancelTurn({ sessionId, turnId });
  assert.deepEqual([answer.cancelled, answer.turnId], [true, turnId]);
  await assertCancelled(context, sessionId, call);
  const again = await chat.cancelTurn({ sessionId, turnId });
  assert.equal(again.turnId, turnId, "cancelling twice is no error");
});

overLanes("CancelTurn cancels by request_id", plainLanes, {}, async (context) => {
  const { chat } = context;
  const { sessionId, call, turnId } = await openRunning(context, "stop-me");
  const unknown = await chat.cancelTurn({ sessionId, requestId: "unknown" });
  assert.deepEqual([unknown.cancelled, unknown.turnId], [false, ""]);
  const answer = await chat.cancelTurn({ sessionId, requestId: "stop-me" });
  assert.deepEqual([answer.cancelled, answer.turnId], [true, turnId]);
  await assertCancelled(context, sessionId, call);
});

overLanes("CancelTurn without a name cancels what runs", binaryLanes, {}, async (context) => {
  const { chat } = context;
  const { sessionId, call, turnId } = await openRunning(context);
  const answer = await chat.cancelTurn({ sessionId });
  assert.deepEqual([answer.cancelled, answer.turnId], [true, turnId]);
  await assertCancelled(context, sessionId, call);
  const idle = await chat.cancelTurn({ sessionId });
  assert.deepEqual([idle.cancelled, idle.turnId], [false, ""]);
  const nowhere = failureOf(chat.cancelTurn({ sessionId: "nowhere" }));
  assertError(await nowhere, Code.NotFound, "SESSION_NOT_FOUND");
});

overLanes("a turn that has ended otherwise is not cancelled", binaryLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:3x1" });
  const { turnId } = await chat.sendMessage({ sessionId, message: "one", requestId: "done" });
  const byTurn = await chat.cancelTurn({ sessionId, turnId });
  const byRequest = await chat.cancelTurn({ sessionId, requestId: "done" });
  assert.deepEqual([byTurn.cancelled, byTurn.turnId], [false, turnId]);
  assert.deepEqual([byRequest.cancelled, byRequest.turnId], [false, turnId]);
});

overLanes("a waiting turn is cancelled without a run", plainLanes, {}, async (context) => {
  const { app, chat } = context;
  const { sessionId, call, turnId } = await openRunning(context);
  const waiting = ["two", "three"].map((message) =>
    openStreamChat(chat, { sessionId, message, requestId: message }),
  );
  const [two, three] = waiting;
  assert.ok(two && three);
  const { turn_id: twoId } = await two.update("turn_queued");
  await three.update("turn_queued");
  const byTurn = await chat.cancelTurn({ sessionId, turnId: String(twoId) });
  const byRequest = await chat.cancelTurn({ sessionId, requestId: "three" });
  assert.deepEqual([byTurn.cancelled, byRequest.cancelled], [true, true]);
  for (const { ended, events } of waiting) {
    assert.equal(await ended, undefined);
    assert.deepEqual(typeNames(events), ["SESSION_UPDATE", "RESPONSE_COMPLETE"]);
    const end = events.at(-1);
    assert.deepEqual([end?.finishReason, end?.totalChunks], [FinishReason.CANCELLED, 0]);
    assert.ok(end?.usage);
  }
  const { messages } = await chat.listMessages({ sessionId });
  assert.ok(messages.every((message) => message.turnId === turnId));
  const info = await chat.getSessionInfo({ sessionId });
  assert.deepEqual([info.queuedTurnIds, info.runningTurnId], [[], turnId]);
  await chat.cancelTurn({ sessionId });
  assert.equal(await call.ended, undefined);
  const counters = await app.metrics();
  assert.deepEqual([counters.get(modelCalls), counters.get(modelAborts)], [1, 1]);
});

overLanes("CANCEL on a Chat stream names a turn or a request", bidiLanes, {}, async (context) => {
  const { app, chat } = context;
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x20" });
  const call = openChat(chat);
  await call.send({ sessionId, message: "one", requestId: "one" });
  const { turnId } = await call.firstOf(CHUNK);
  await call.send({ message: "two", requestId: "two" });
  await call.first(({ updateType }) => updateType === "turn_queued");
  await call.send({ type: CANCEL, requestId: "two" });
  const waited = await call.firstOf(RESPONSE_COMPLETE);
  assert.notEqual(waited.turnId, turnId);
  await call.send({ type: CANCEL, turnId: "another" });
  await call.send({ type: CANCEL, turnId });
  const end = await call.first((event) => event.isFinal && event.turnId === turnId);
  assert.equal(end.finishReason, FinishReason.CANCELLED);
  await call.send({ type: CANCEL });
  call.halfClose();
  assert.equal(await call.ended, undefined);
  assert.ok(
    call.events.every(({ errorReason }) => errorReason === ""),
    "none was an error",
  );
  assert.equal((await app.metrics()).get(modelAborts), 1);
});
