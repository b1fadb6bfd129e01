import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import {
  ChatResponse_Type,
  FinishReason,
  Message_State,
  OnBusy,
} from "../../src/gen/chat/chat_pb.ts";
import {
  bidiLanes,
  binaryLanes,
  type LaneContext,
  overLanes,
  plainLanes,
} from "../support/lanes.ts";
import { dataOf, openChat, openStreamChat } from "../support/stream-call.ts";
import { modelAborts, modelCalls, words } from "../support/turn-checks.ts";
import { assertError, collect, failureOf, replyOf, typeNames } from "../support/wire.ts";

const { CHUNK, RESPONSE_COMPLETE, STATUS } = ChatResponse_Type;

/** A session in which a turn runs until it is cancelled. */
async function openBusySession({ chat }: LaneContext) {
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x20" });
  const running = openStreamChat(chat, { sessionId, message: "one" });
  const { turnId } = await running.firstOf(CHUNK);
  return { sessionId, running, turnId };
}

overLanes("a message in a busy session waits for its place", plainLanes, {}, async (context) => {
  const { chat } = context;
  const { sessionId, running, turnId } = await openBusySession(context);
  const asked = { sessionId, modelId: "scripted:echo", requestId: "second" };
  const second = openStreamChat(chat, { ...asked, message: "two" });
  const { position, turn_id: secondId } = await second.update("turn_queued");
  const third = openStreamChat(chat, { sessionId, modelId: "scripted:3x1", message: "three" });
  const { position: thirdPosition, turn_id: thirdId } = await third.update("turn_queued");
  assert.deepEqual([position, thirdPosition], [1, 2]);

  const info = await chat.getSessionInfo({ sessionId });
  assert.deepEqual([info.runningTurnId, info.queuedTurnIds], [turnId, [secondId, thirdId]]);
  const { messages } = await chat.listMessages({ sessionId });
  const { COMPLETE, STREAMING, QUEUED } = Message_State;
  assert.deepEqual(
    messages.map(({ state, turnId: id }) => [state, id]),
    [
      [COMPLETE, turnId],
      [STREAMING, turnId],
      [QUEUED, secondId],
      [QUEUED, thirdId],
    ],
  );

  await chat.cancelTurn({ sessionId, turnId });
  const ends = await Promise.all([running.ended, second.ended, third.ended]);
  assert.deepEqual(ends, [undefined, undefined, undefined]);
  const [queued, status] = second.events;
  assert.deepEqual([queued?.requestId, queued?.userMessage?.text], ["second", "two"]);
  assert.equal(queued?.userMessage?.state, Message_State.QUEUED);
  assert.deepEqual([status?.type, status?.userMessage, status?.requestId], [STATUS, undefined, ""]);
  assert.equal(status?.contextMessages, 3, "the context is built when the turn starts");
  const given = JSON.parse(replyOf(second.events)).messages;
  assert.match(given[1].parts[0].text, /^w1 /);
  const sequences = [running, second, third].map(({ events }) => events.at(-1)?.sequence ?? 0n);
  assert.deepEqual(
    sequences,
    sequences.toSorted((a, b) => Number(a - b)),
  );
  const after = await chat.getSessionInfo({ sessionId });
  assert.deepEqual([after.runningTurnId, after.queuedTurnIds, after.messageCount], ["", [], 6]);
});

overLanes("REJECT refuses in a busy session", plainLanes, {}, async (context) => {
  const { chat } = context;
  const { sessionId } = await openBusySession(context);
  const request = { sessionId, message: "two", onBusy: OnBusy.REJECT };
  const calls = [collect(chat.streamChat(request)), chat.sendMessage(request)];
  for (const call of calls) {
    assertError(await failureOf(call), Code.FailedPrecondition, "SESSION_BUSY");
  }
  assert.equal((await chat.getSessionInfo({ sessionId })).userMessages, 1);
  await chat.cancelTurn({ sessionId });
  assert.equal((await chat.sendMessage({ ...request, modelId: "scripted:3x1" })).text, words(3));
});

overLanes("INTERRUPT cancels what runs and goes to the head", plainLanes, {}, async (context) => {
  const { app, chat } = context;
  const { sessionId, running } = await openBusySession(context);
  const waiting = openStreamChat(chat, { sessionId, modelId: "scripted:3x1", message: "two" });
  await waiting.update("turn_queued");
  const interrupting = { sessionId, message: "three", onBusy: OnBusy.INTERRUPT };
  const third = await collect(chat.streamChat({ ...interrupting, modelId: "scripted:3x1" }));
  assert.deepEqual([await running.ended, await waiting.ended], [undefined, undefined]);
  const end = running.events.at(-1);
  assert.deepEqual([end?.type, end?.finishReason], [RESPONSE_COMPLETE, FinishReason.CANCELLED]);
  const place = third.find(({ updateType }) => updateType === "turn_queued");
  assert.equal(place && dataOf(place).position, 1);
  assert.ok((third.at(-1)?.sequence ?? 0n) < (waiting.events.at(-1)?.sequence ?? 0n));
  const { messages } = await chat.listMessages({ sessionId });
  assert.deepEqual(
    messages.map(({ text }) => (text.startsWith("w") ? "reply" : text)),
    ["one", "reply", "three", "reply", "two", "reply"],
  );
  assert.equal(messages[1]?.text, replyOf(running.events), "the partial reply is kept");
  assert.equal((await app.metrics()).get(modelAborts), 1);
});

overLanes("INTERRUPT in an idle session is a message", binaryLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:3x1" });
  const request = { sessionId, message: "one", onBusy: OnBusy.INTERRUPT };
  const types = typeNames(await collect(chat.streamChat(request)));
  assert.deepEqual(types.slice(0, 2), ["STATUS", "RESPONSE_START"]);
});

const tight = { env: { QUEUED_TURNS_MAX: "1" } };

overLanes("INTERRUPT is not refused for those that wait", binaryLanes, tight, async (context) => {
  const { chat } = context;
  const { sessionId, running } = await openBusySession(context);
  const asked = { sessionId, modelId: "scripted:3x1" };
  const waiting = openStreamChat(chat, { ...asked, message: "two" });
  await waiting.update("turn_queued");
  const now = { ...asked, message: "three", onBusy: OnBusy.INTERRUPT };
  assert.equal((await chat.sendMessage(now, { timeoutMs: 5_000 })).text, words(3));
  assert.deepEqual([await running.ended, await waiting.ended], [undefined, undefined]);
  assert.equal(running.events.at(-1)?.finishReason, FinishReason.CANCELLED);
});

overLanes("the queue is bounded", binaryLanes, tight, async (context) => {
  const { app, chat } = context;
  const { sessionId, running } = await openBusySession(context);
  const asked = { sessionId, modelId: "scripted:3x1" };
  const waiting = openStreamChat(chat, { ...asked, message: "two", requestId: "waits" });
  await waiting.update("turn_queued");
  const third = { ...asked, message: "three", requestId: "full" };
  const full = await failureOf(chat.sendMessage(third, { timeoutMs: 5_000 }));
  assertError(full, Code.ResourceExhausted, "QUEUE_FULL");
  const joined = openStreamChat(chat, { ...asked, message: "two", requestId: "waits" });
  await joined.update("turn_queued");
  await chat.cancelTurn({ sessionId });
  assert.deepEqual([await running.ended, await waiting.ended], [undefined, undefined]);
  assert.equal(await joined.ended, undefined);
  assert.deepEqual(joined.events, waiting.events, "a re-send is no new work");
  assert.equal((await chat.sendMessage(third)).text, words(3), "its key was not used up");
  assert.equal((await app.metrics()).get(modelCalls), 3);
});

overLanes("messages on one Chat stream wait for each other", bidiLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:5x5" });
  const call = openChat(chat);
  const texts = ["one", "two", "three"];
  for (const message of texts) await call.send({ sessionId, message });
  call.halfClose();
  assert.equal(await call.ended, undefined);
  const ends = call.events.filter(({ isFinal }) => isFinal);
  assert.deepEqual(
    ends.map(({ totalChunks }) => totalChunks),
    [5, 5, 5],
  );
  const sequences = call.events.map(({ sequence }) => sequence);
  assert.deepEqual(
    sequences,
    sequences.toSorted((a, b) => Number(a - b)),
  );
  const asked = call.events.flatMap(({ userMessage }) => userMessage?.text ?? []);
  assert.deepEqual(asked, texts);
  const { messages } = await chat.listMessages({ sessionId });
  assert.deepEqual(
    messages.map(({ text }) => text),
    texts.flatMap((text) => [text, words(5)]),
  );
});
