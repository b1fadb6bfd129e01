import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code } from "@connectrpc/connect";
import {
  ChatRequest_Type,
  ChatResponse_Type,
  type ChatService,
  type ListMessagesRequestSchema,
  type Message,
  Message_Role,
  Message_State,
} from "../../src/gen/chat/chat_pb.ts";
import { binaryLanes, overLanes, plainLanes } from "../support/lanes.ts";
import { openStreamChat } from "../support/stream-call.ts";
import { words } from "../support/turn-checks.ts";
import { assertError, failureOf } from "../support/wire.ts";

const { CHUNK } = ChatResponse_Type;
const { USER, MODEL } = Message_Role;

type Chat = Client<typeof ChatService>;
type ListRequest = MessageInitShape<typeof ListMessagesRequestSchema>;

/** Every message, page by page; `between` runs after each page. */
async function listAll(chat: Chat, request: ListRequest, between = async () => {}) {
  const messages: Message[] = [];
  let pageToken = "";
  do {
    const page = await chat.listMessages({ ...request, pageToken });
    assert.ok(page.messages.length <= (request.pageSize ?? 50));
    messages.push(...page.messages);
    pageToken = page.nextPageToken;
    await between();
  } while (pageToken !== "");
  return messages;
}

const textsOf = (messages: readonly Message[]) => messages.map(({ text }) => text);

overLanes("a running reply is listed as far as it has come", plainLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:9x1!hang@4" });
  const call = openStreamChat(chat, { sessionId, message: "one", requestId: "one" });
  await call.first(({ chunkNumber }) => chunkNumber === 4);
  const waiting = openStreamChat(chat, { sessionId, message: "two" });
  await waiting.update("turn_queued");
  const { messages, lastSequence, epoch } = await chat.listMessages({ sessionId });
  const { COMPLETE, STREAMING, QUEUED } = Message_State;
  assert.deepEqual(
    messages.map(({ text, state, requestId }) => [text, state, requestId]),
    [
      ["one", COMPLETE, "one"],
      [words(4), STREAMING, ""],
      ["two", QUEUED, ""],
    ],
  );
  const start = call.events.find(({ messageId }) => messageId !== "");
  assert.equal(messages[1]?.messageId, start?.messageId);
  assert.deepEqual([lastSequence, epoch], [7n, 1]);
  const newest = await chat.listMessages({ sessionId, newestFirst: true });
  assert.deepEqual(textsOf(newest.messages), ["two", words(4), "one"]);
  await chat.cancelTurn({ sessionId, turnId: waiting.events[0]?.turnId ?? "x" });
  await chat.cancelTurn({ sessionId });
  assert.deepEqual([await call.ended, await waiting.ended], [undefined, undefined]);
});

overLanes("a running reply comes on top of its page", binaryLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:9x1!hang@4" });
  const call = openStreamChat(chat, { sessionId, message: "one" });
  await call.firstOf(CHUNK);
  const pages: Message[][] = [];
  for (const newestFirst of [true, false]) {
    let pageToken = "";
    do {
      const page = await chat.listMessages({ sessionId, newestFirst, pageSize: 1, pageToken });
      pages.push(page.messages);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }
  await chat.cancelTurn({ sessionId });
  assert.equal(await call.ended, undefined);
  assert.deepEqual(
    pages.map((page) => page.map(({ role }) => role)),
    [
      [MODEL, USER],
      [USER, MODEL],
    ],
  );
});

overLanes("page tokens stay right while messages come", binaryLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:1x0" });
  const questions = ["a", "b", "c", "d"];
  for (const message of questions) await chat.sendMessage({ sessionId, message });
  const expected = questions.flatMap((text) => [text, "w1 "]);
  let added = 0;
  const add = async () => {
    if (added === 2) return;
    added += 1;
    await chat.sendMessage({ sessionId, message: `added ${added}` });
  };
  const older = await listAll(chat, { sessionId, pageSize: 3, newestFirst: true }, add);
  assert.deepEqual(textsOf(older).toReversed(), expected, "what is newer is not on later pages");
  const all = [...expected, "added 1", "w1 ", "added 2", "w1 "];
  assert.deepEqual(textsOf(await listAll(chat, { sessionId, pageSize: 3 })), all);
  added = 1;
  const forward = await listAll(chat, { sessionId, pageSize: 5 }, add);
  assert.deepEqual(textsOf(forward), [...all, "added 2", "w1 "]);
  const ids = forward.map(({ messageId }) => messageId);
  assert.equal(new Set(ids).size, ids.length);
});

overLanes("page tokens stay right while messages are replaced", binaryLanes, {}, async (c) => {
  const { chat } = c;
  const { sessionId } = await chat.createSession({ modelId: "scripted:1x0" });
  for (const message of ["a", "b", "c"]) await chat.sendMessage({ sessionId, message });
  const first = await chat.listMessages({ sessionId, pageSize: 4 });
  const messageId = first.messages[2]?.messageId ?? "";
  await chat.sendMessage({ type: ChatRequest_Type.EDIT, sessionId, messageId, message: "B" });
  const { nextPageToken: pageToken } = first;
  const rest = await chat.listMessages({ sessionId, pageSize: 4, pageToken });
  assert.deepEqual(textsOf(rest.messages), ["B", "w1 "]);
  const whole = await listAll(chat, { sessionId, pageSize: 2, includeReplaced: true });
  assert.equal(whole.length, 8);
});

overLanes("a page is bounded, and a foreign token refused", binaryLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:1x0" });
  const other = await chat.createSession({ modelId: "scripted:1x0" });
  for (const message of ["a", "b"]) await chat.sendMessage({ sessionId, message });
  const { nextPageToken: pageToken } = await chat.listMessages({ sessionId, pageSize: 1 });
  assert.equal((await chat.listMessages({ sessionId, pageSize: 100_000 })).messages.length, 4);
  const calls = [
    chat.listMessages({ sessionId, pageSize: -1 }),
    chat.listMessages({ sessionId, pageToken: "not ours" }),
    chat.listMessages({ sessionId: other.sessionId, pageToken }),
    chat.listMessages({ sessionId, pageToken, newestFirst: true }),
    chat.listSessions({ pageToken }),
    chat.listMessages({ sessionId, pageToken: "x".repeat(1_025) }),
  ];
  for (const error of await Promise.all(calls.map(failureOf))) {
    assertError(error, Code.InvalidArgument, "INVALID_REQUEST");
  }
});

overLanes("lists and watches see the same session", binaryLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:40x5" });
  const call = openStreamChat(chat, { sessionId, message: "one" });
  await call.firstOf(CHUNK);
  let streaming = 0;
  while (!call.events.some(({ isFinal }) => isFinal)) {
    const { messages, lastSequence } = await chat.listMessages({ sessionId });
    const reply = messages[1];
    if (reply?.state !== Message_State.STREAMING) continue;
    streaming += 1;
    // Its chunks are those of the sequences 3, 4, …
    assert.equal(reply.text, words(Number(lastSequence) - 2));
  }
  assert.ok(streaming > 0);
  assert.equal(await call.ended, undefined);
});
