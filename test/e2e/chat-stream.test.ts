import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import {
  ChatRequest_Type,
  ChatResponse_Type,
  FinishReason,
  OnBusy,
} from "../../src/gen/chat/chat_pb.ts";
import { bidiLanes, overLanes } from "../support/lanes.ts";
import { openChat } from "../support/stream-call.ts";
import { collect, replyOf, theOnly, timestampPattern, typeNames } from "../support/wire.ts";

const { PING, TYPING_START, TYPING_STOP, CANCEL } = ChatRequest_Type;
const { PONG, CHUNK, ERROR, RESPONSE_COMPLETE } = ChatResponse_Type;

overLanes("a ping is answered while a reply streams", bidiLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x60" });
  const call = openChat(chat);
  await call.send({ sessionId, message: "Go on" });
  await call.firstOf(CHUNK);
  await call.send({ type: TYPING_START });
  await call.send({ type: PING, requestId: "ping-1" });
  const pong = await call.firstOf(PONG);
  assert.deepEqual([pong.requestId, pong.sequence, pong.sessionId], ["ping-1", 0n, sessionId]);
  assert.match(pong.timestamp, timestampPattern);
  assert.ok(!call.events.some(({ isFinal }) => isFinal), "the reply still streams");
  await call.send({ type: TYPING_STOP });
  await call.send({ type: CANCEL });
  const end = await call.firstOf(RESPONSE_COMPLETE);
  assert.equal(end.finishReason, FinishReason.CANCELLED);
  call.halfClose();
  assert.equal(await call.ended, undefined);
  const sequences = call.events.map(({ sequence }) => sequence).filter((sequence) => sequence > 0n);
  assert.deepEqual(
    sequences,
    sequences.map((_, index) => BigInt(index + 1)),
  );
});

overLanes("turns of several sessions share one stream", bidiLanes, {}, async ({ chat }) => {
  const texts = ["one", "two", "three"];
  const ids = await Promise.all(
    texts.map(async () => (await chat.createSession({ modelId: "scripted:say" })).sessionId),
  );
  const call = openChat(chat);
  for (const [index, message] of texts.entries()) {
    await call.send({ sessionId: ids[index] ?? "", message });
  }
  call.halfClose();
  assert.equal(await call.ended, undefined);
  for (const [index, sessionId] of ids.entries()) {
    const own = call.events.filter((event) => event.sessionId === sessionId);
    assert.equal(replyOf(own), texts[index]);
    assert.equal(own.at(-1)?.type, RESPONSE_COMPLETE);
  }
});

overLanes("half-closing waits for the turns, and trailers sum them", bidiLanes, {}, async (c) => {
  const { chat } = c;
  const { sessionId } = await chat.createSession({ modelId: "scripted:5x20" });
  let header = new Headers();
  let trailer = new Headers();
  const call = openChat(chat, {
    onHeader: (headers) => {
      header = headers;
    },
    onTrailer: (trailers) => {
      trailer = trailers;
    },
  });
  await call.send({ sessionId, message: "one" });
  await call.firstOf(RESPONSE_COMPLETE);
  await call.send({ message: "two words" });
  call.halfClose();
  assert.equal(await call.ended, undefined);
  const ends = call.events.filter(({ isFinal }) => isFinal);
  assert.equal(ends.length, 2);
  assert.equal(header.get("chat-session-id"), sessionId);
  assert.equal(header.get("chat-model"), "scripted:5x20");
  assert.ok(Number(header.get("chat-heartbeat-ms")) > 0);
  const sums = ["chat-turns", "chat-total-chunks", "chat-output-tokens", "chat-input-tokens"];
  assert.deepEqual(
    sums.map((name) => trailer.get(name)),
    ["2", "10", "10", "9"],
  );
  assert.equal(trailer.get("chat-finish-reason"), "STOP");
});

overLanes("a bad message is an ERROR event and the stream lives", bidiLanes, {}, async (c) => {
  const { chat } = c;
  const { sessionId } = await chat.createSession({ modelId: "scripted:say" });
  const call = openChat(chat);
  await call.send({ message: "to nobody", requestId: "1" });
  await call.send({ sessionId: "nowhere", message: "x", requestId: "2" });
  await call.send({ sessionId, message: "", requestId: "3" });
  await call.send({ sessionId, message: "x", modelId: "no-such-model", requestId: "4" });
  const attachments = [{ mimeType: "text/plain", name: "a.txt" }];
  await call.send({ sessionId, message: "x", attachments, requestId: "5" });
  await call.send({ type: CANCEL, sessionId: "nowhere", requestId: "6" });
  await call.send({ type: 99 as ChatRequest_Type, sessionId, requestId: "7" });
  await call.send({ type: PING, requestId: "r".repeat(129) });
  await call.send({ sessionId, message: "still here" });
  await call.send({ type: PING });
  await call.first(({ isFinal }) => isFinal);
  call.halfClose();
  assert.equal(await call.ended, undefined);

  const refused = call.events.filter(({ type }) => type === ERROR);
  // A CANCEL is answered beside the others.
  const byRequest = refused.map(({ requestId, errorReason }) => [
    requestId.slice(0, 1),
    errorReason,
  ]);
  assert.deepEqual(
    byRequest.sort(([one = ""], [other = ""]) => (one < other ? -1 : 1)),
    [
      ["1", "SESSION_REQUIRED"],
      ["2", "SESSION_NOT_FOUND"],
      ["3", "INVALID_REQUEST"],
      ["4", "MODEL_UNKNOWN"],
      ["5", "NOT_IMPLEMENTED"],
      ["6", "SESSION_NOT_FOUND"],
      ["7", "INVALID_REQUEST"],
      ["r", "INVALID_REQUEST"],
    ],
  );
  assert.ok(refused.every((event) => event.sequence === 0n && !event.isFinal));
  assert.equal(replyOf(call.events), "still here");
  theOnly(call.events, PONG);
});

overLanes("a busy session refuses within the stream", bidiLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x60" });
  const call = openChat(chat);
  await call.send({ sessionId, message: "one" });
  await call.send({ message: "two", requestId: "second", onBusy: OnBusy.REJECT });
  const refused = await call.firstOf(ERROR);
  assert.deepEqual([refused.errorReason, refused.requestId], ["SESSION_BUSY", "second"]);
  await call.send({ type: CANCEL, sessionId });
  await call.firstOf(RESPONSE_COMPLETE);
  call.halfClose();
  assert.equal(await call.ended, undefined);
});

overLanes("a turn that fails does not end the stream", bidiLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:5x1!unavailable@2" });
  const call = openChat(chat);
  await call.send({ sessionId, message: "one" });
  const end = await call.first(({ isFinal }) => isFinal);
  assert.deepEqual([end.type, end.errorReason], [ERROR, "MODEL_UNAVAILABLE"]);
  assert.ok(end.sequence > 0n);
  await call.send({ message: "two", modelId: "scripted:say" });
  await call.firstOf(RESPONSE_COMPLETE);
  call.halfClose();
  assert.equal(await call.ended, undefined);
});

overLanes("a Chat without a message ends when it is half-closed", bidiLanes, {}, async (c) => {
  assert.deepEqual(typeNames(await collect(c.chat.chat((async function* () {})()))), []);
});

overLanes(
  "an idle Chat gets heartbeats",
  bidiLanes,
  { env: { HEARTBEAT_MS: "20" } },
  async ({ chat }) => {
    const call = openChat(chat);
    await call.send({ type: PING });
    await call.firstOf(ChatResponse_Type.HEARTBEAT);
    call.halfClose();
    assert.equal(await call.ended, undefined);
  },
);

overLanes("a deadline ends an idle Chat", bidiLanes, {}, async ({ chat }) => {
  const call = openChat(chat, { timeoutMs: 1_000 });
  await call.send({ type: PING });
  await call.firstOf(PONG);
  assert.equal((await call.ended)?.code, Code.DeadlineExceeded);
});

overLanes("an over-large message ends the stream", bidiLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({});
  const call = openChat(chat);
  await call.send({ sessionId, message: "x".repeat(2_000_000) }).catch(() => undefined);
  assert.equal((await call.ended)?.code, Code.ResourceExhausted);
});
