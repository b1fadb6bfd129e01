import assert from "node:assert/strict";
import { type Client, Code } from "@connectrpc/connect";
import {
  ChatRequest_Type,
  type ChatResponse,
  ChatResponse_Type,
  type ChatService,
  FinishReason,
  Message_State,
  OnBusy,
} from "../../src/gen/chat/chat_pb.ts";
import { bidiLanes, binaryLanes, overLanes, plainLanes } from "../support/lanes.ts";
import { dataOf, openChat, openStreamChat, openWatch } from "../support/stream-call.ts";
import { modelAborts, words } from "../support/turn-checks.ts";
import { assertError, collect, collectFailing, failureOf, replyOf } from "../support/wire.ts";

const { EDIT, REGENERATE, CONTINUE } = ChatRequest_Type;
const { CHUNK, RESPONSE_START, STATUS } = ChatResponse_Type;
const { CANCELLED, MAX_TOKENS } = FinishReason;

type Chat = Client<typeof ChatService>;

async function textsOf(chat: Chat, sessionId: string, includeReplaced = false) {
  const { messages } = await chat.listMessages({ sessionId, includeReplaced });
  return messages.map(({ text }) => text);
}

/** A session with these questions and a reply to each. */
async function openSession(chat: Chat, questions: readonly string[], modelId = "scripted:2x1") {
  const { sessionId } = await chat.createSession({ modelId });
  for (const message of questions) {
    await chat.sendMessage({ sessionId, message, requestId: `${sessionId} ${message}` });
  }
  const { messages } = await chat.listMessages({ sessionId });
  return { sessionId, messages };
}

function indexOfReplaced(events: readonly ChatResponse[]): number {
  return events.findIndex(({ updateType }) => updateType === "messages_replaced");
}

overLanes("EDIT replaces a message and all after it", plainLanes, {}, async ({ chat }) => {
  const { sessionId, messages } = await openSession(chat, ["one", "two"]);
  const watch = openWatch(chat, { sessionId, afterSequence: 10n });
  await watch.update("live");
  const messageId = messages[0]?.messageId ?? "";
  const asked = { type: EDIT, sessionId, messageId, message: "uno", modelId: "scripted:echo" };
  const events = await collect(chat.streamChat(asked));
  await watch.first(({ isFinal }) => isFinal);
  watch.abort();
  assert.deepEqual(watch.recorded(), events);

  const [status, replaced] = events;
  assert.deepEqual([status?.type, status?.contextMessages], [STATUS, 1]);
  assert.equal(status?.userMessage?.text, "uno");
  assert.ok(replaced);
  assert.equal(indexOfReplaced(events), 1);
  assert.deepEqual(dataOf(replaced), {
    message_ids: messages.map((message) => message.messageId),
    by_turn_id: status.turnId,
  });
  const given = JSON.parse(replyOf(events)).messages;
  assert.deepEqual(given, [{ role: "user", parts: [{ type: "text", text: "uno" }] }]);

  assert.deepEqual((await textsOf(chat, sessionId)).slice(0, 1), ["uno"]);
  const info = await chat.getSessionInfo({ sessionId });
  assert.deepEqual([info.messageCount, info.userMessages], [2, 1]);
  const all = (await chat.listMessages({ sessionId, includeReplaced: true })).messages;
  assert.equal(all.length, 6);
  const late = { sessionId, type: EDIT, message: "eins", messageId: messages[0]?.messageId ?? "" };
  const refused = await failureOf(chat.sendMessage(late));
  const { metadata } = assertError(refused, Code.FailedPrecondition, "MESSAGE_REPLACED");
  assert.equal(metadata.replaced_by_turn_id, status.turnId);
  const marks = all.slice(0, 4).map(({ replacedByTurnId }) => replacedByTurnId);
  assert.deepEqual(new Set(marks), new Set([status.turnId]));
  const again = await chat.sendMessage({
    sessionId,
    message: "two",
    requestId: `${sessionId} two`,
  });
  assert.equal(again.text, words(2), "the key of a replaced turn still replays it");
});

overLanes("an EDIT that cannot be made changes nothing", binaryLanes, {}, async ({ chat }) => {
  const { sessionId, messages } = await openSession(chat, ["one"]);
  const edit = { type: EDIT, sessionId, message: "uno" };
  const refused = async (messageId: string, code: Code, reason: string) =>
    assertError(await failureOf(chat.sendMessage({ ...edit, messageId })), code, reason);
  await refused("nothing", Code.NotFound, "MESSAGE_NOT_FOUND");
  const { fields } = await refused("", Code.InvalidArgument, "INVALID_REQUEST");
  assert.deepEqual(fields, ["message_id"]);
  const reply = messages[1]?.messageId ?? "";
  await refused(reply, Code.InvalidArgument, "INVALID_REQUEST");
  const own = { ...edit, messageId: messages[0]?.messageId ?? "" };
  const waits = await failureOf(chat.sendMessage({ ...own, onBusy: OnBusy.ENQUEUE }));
  const { fields: onBusy } = assertError(waits, Code.InvalidArgument, "INVALID_REQUEST");
  assert.deepEqual(onBusy, ["on_busy"]);
  const wordless = await failureOf(chat.sendMessage({ ...own, message: " \n" }));
  assertError(wordless, Code.InvalidArgument, "INVALID_REQUEST");
  const opens = await failureOf(chat.sendMessage({ ...own, sessionId: "" }));
  assertError(opens, Code.InvalidArgument, "INVALID_REQUEST");
  assert.deepEqual(await textsOf(chat, sessionId, true), ["one", words(2)]);
});

overLanes("REGENERATE replaces the reply when the new one begins", plainLanes, {}, async (c) => {
  const { chat } = c;
  const { sessionId, messages } = await openSession(chat, ["one"]);
  const asked = { type: REGENERATE, sessionId };
  const events = await collect(chat.streamChat({ ...asked, modelId: "scripted:3x1" }));
  assert.equal(events[0]?.userMessage?.messageId, messages[0]?.messageId);
  const start = events.findIndex(({ type }) => type === RESPONSE_START);
  assert.equal(indexOfReplaced(events), start + 1);
  const replaced = events[start + 1];
  assert.ok(replaced);
  const oldReply = messages[1]?.messageId;
  assert.deepEqual(dataOf(replaced), { message_ids: [oldReply], by_turn_id: replaced.turnId });
  assert.deepEqual(await textsOf(chat, sessionId), ["one", words(3)]);
  assert.deepEqual((await textsOf(chat, sessionId, true)).toSorted(), ["one", words(2), words(3)]);

  const fails = { ...asked, modelId: "scripted:3x1!unavailable@0" };
  const { values, error } = await collectFailing(chat.streamChat(fails));
  assertError(error, Code.Unavailable, "MODEL_UNAVAILABLE");
  assert.equal(indexOfReplaced(values), -1);
  assert.deepEqual(await textsOf(chat, sessionId), ["one", words(3)]);
});

overLanes("CONTINUE extends a reply that hit its end", plainLanes, {}, async ({ chat }) => {
  const { sessionId, messages } = await openSession(chat, ["one"], "scripted:9x1!max_tokens@2");
  assert.equal(messages[1]?.finishReason, MAX_TOKENS);
  const asked = { type: CONTINUE, sessionId, modelId: "scripted:3x1" };
  const events = await collect(chat.streamChat(asked));
  const start = events.find(({ type }) => type === RESPONSE_START);
  assert.equal(start?.messageId, messages[1]?.messageId);
  assert.equal(indexOfReplaced(events), -1);
  const [, reply, ...more] = (await chat.listMessages({ sessionId })).messages;
  assert.equal(more.length, 0);
  assert.deepEqual(
    [reply?.messageId, reply?.state, reply?.text],
    [messages[1]?.messageId, Message_State.COMPLETE, `${words(2)}${words(3)}`],
  );
  const whole = await failureOf(collect(chat.streamChat(asked)));
  assertError(whole, Code.FailedPrecondition, "NOTHING_TO_CONTINUE");
});

overLanes("CONTINUE extends a reply that was cancelled", binaryLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:9x1!hang@2" });
  const call = openStreamChat(chat, { sessionId, message: "one" });
  await call.first(({ chunkNumber }) => chunkNumber === 2);
  await chat.cancelTurn({ sessionId });
  assert.equal(await call.ended, undefined);
  const more = openStreamChat(chat, { type: CONTINUE, sessionId, modelId: "scripted:60x5" });
  await more.first(({ chunkNumber }) => chunkNumber === 3);
  const [, streaming] = (await chat.listMessages({ sessionId })).messages;
  assert.equal(streaming?.state, Message_State.STREAMING);
  assert.ok(streaming.text.startsWith(`${words(2)}${words(3)}`), streaming.text);
  assert.equal(await more.ended, undefined);
  assert.deepEqual(await textsOf(chat, sessionId), ["one", `${words(2)}${words(60)}`]);
});

overLanes("there must be something to do again", binaryLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:2x1" });
  const again = await failureOf(collect(chat.streamChat({ type: REGENERATE, sessionId })));
  assertError(again, Code.FailedPrecondition, "NOTHING_TO_REGENERATE");
  const more = await failureOf(chat.sendMessage({ type: CONTINUE, sessionId }));
  assertError(more, Code.FailedPrecondition, "NOTHING_TO_CONTINUE");
});

overLanes("in a busy session they interrupt and clear the queue", binaryLanes, {}, async (c) => {
  const { app, chat } = c;
  const { sessionId, messages } = await openSession(chat, ["one"]);
  const running = openStreamChat(chat, { sessionId, message: "two", modelId: "scripted:1000x20" });
  await running.firstOf(CHUNK);
  const waiting = openStreamChat(chat, { sessionId, message: "three" });
  await waiting.update("turn_queued");
  const edit = { type: EDIT, sessionId, messageId: messages[0]?.messageId ?? "", message: "uno" };
  const rejected = await failureOf(chat.sendMessage({ ...edit, onBusy: OnBusy.REJECT }));
  assertError(rejected, Code.FailedPrecondition, "SESSION_BUSY");
  const sent = await chat.sendMessage(edit);
  assert.equal(sent.text, words(2));
  for (const { ended, events } of [running, waiting]) {
    assert.equal(await ended, undefined);
    assert.equal(events.at(-1)?.finishReason, CANCELLED);
  }
  assert.deepEqual(await textsOf(chat, sessionId), ["uno", words(2)]);
  assert.equal((await app.metrics()).get(modelAborts), 1);
});

overLanes("a Chat stream edits, regenerates and continues", bidiLanes, {}, async ({ chat }) => {
  const { sessionId, messages } = await openSession(chat, ["one"], "scripted:9x1!max_tokens@2");
  const call = openChat(chat);
  const end = (count: number) =>
    call.first((event) => call.events.filter((e) => e.isFinal).indexOf(event) === count - 1);
  await call.send({ type: CONTINUE, sessionId });
  await end(1);
  await call.send({ type: REGENERATE, modelId: "scripted:3x1" });
  await end(2);
  await call.send({ type: EDIT, message: "uno", messageId: messages[0]?.messageId ?? "" });
  await end(3);
  call.halfClose();
  assert.equal(await call.ended, undefined);
  assert.equal(replyOf(call.events), `${words(2)}${words(3)}${words(2)}`);
  assert.deepEqual(await textsOf(chat, sessionId), ["uno", words(2)]);
});
