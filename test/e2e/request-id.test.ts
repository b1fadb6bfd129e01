import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  ChatRequest_Type,
  type ChatRequestSchema,
  ChatResponse_Type,
  ChunkBy,
  OnBusy,
  OnDisconnect,
} from "../../src/gen/chat/chat_pb.ts";
import { bidiLanes, binaryLanes, connectLane, overLanes, plainLanes } from "../support/lanes.ts";
import { openChat, openStreamChat } from "../support/stream-call.ts";
import { modelCalls, words } from "../support/turn-checks.ts";
import { assertError, collect, collectFailing, failureOf, replyOf } from "../support/wire.ts";

const { CHUNK } = ChatResponse_Type;

overLanes("sent again a finished turn is replayed", plainLanes, {}, async ({ app, chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:5x1" });
  const request = { sessionId, message: "one", requestId: "replay" };
  const trailers: Headers[] = [];
  const onTrailer = (received: Headers) => void trailers.push(received);
  const events = await collect(chat.streamChat(request, { onTrailer }));
  assert.deepEqual(await collect(chat.streamChat(request, { onTrailer })), events);
  assert.equal(trailers[1]?.get("chat-total-chunks"), "5");
  assert.equal(trailers[1]?.get("chat-finish-reason"), "STOP");
  const cursor = { ...request, afterSequence: 4n, afterEpoch: 1 };
  assert.deepEqual(await collect(chat.streamChat(cursor)), events.slice(4));
  const end = events.at(-1);
  const nothing = await collect(
    chat.streamChat({ ...request, afterSequence: end?.sequence ?? 0n }),
  );
  assert.deepEqual(nothing, []);
  const ahead = { ...request, afterSequence: (end?.sequence ?? 0n) + 1n };
  const refused = await failureOf(collect(chat.streamChat(ahead)));
  const { metadata } = assertError(refused, Code.OutOfRange, "SEQUENCE_OUT_OF_RANGE");
  assert.deepEqual(metadata, { last_sequence: String(end?.sequence), epoch: "1" });
  const { turnId, messageId, text, sequence } = await chat.sendMessage(request);
  assert.deepEqual(
    [turnId, messageId, text, sequence],
    [end?.turnId, end?.messageId, words(5), end?.sequence],
  );
  assert.equal((await app.metrics()).get(modelCalls), 1);
  assert.equal((await chat.getSessionInfo({ sessionId })).messageCount, 2);
});

overLanes("sent again a running turn is joined", binaryLanes, {}, async ({ app, lane, chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:60x5" });
  const request = { sessionId, message: "one", requestId: "join" };
  const first = openStreamChat(chat, request);
  await first.first(({ chunkNumber }) => chunkNumber === 5);
  const other = connectLane(app, lane).chat;
  const whole = openStreamChat(other, request);
  const rest = openStreamChat(other, { ...request, afterSequence: 7n });
  const sent = await other.sendMessage({ ...request, afterSequence: 7n });
  const calls = [first, whole, rest];
  for (const { ended } of calls) assert.equal(await ended, undefined);
  assert.equal(replyOf(first.events), words(60));
  assert.deepEqual(whole.events, first.events);
  assert.deepEqual(rest.events, first.events.slice(7));
  assert.equal(sent.text, words(60));
  assert.equal((await app.metrics()).get(modelCalls), 1);
});

overLanes("calls that race with one request_id run the model once", binaryLanes, {}, async (c) => {
  const { app, lane } = c;
  const chats = Array.from({ length: 6 }, () => connectLane(app, lane).chat);
  const request = { modelId: "scripted:10x2", message: "one", requestId: "race" };
  const streams = await Promise.all(chats.map((chat) => collect(chat.streamChat(request))));
  for (const events of streams) assert.deepEqual(events, streams[0]);
  assert.equal(replyOf(streams[0] ?? []), words(10));
  assert.equal((await app.metrics()).get(modelCalls), 1);
  const { activeSessions, totalSessionsCreated } = await c.chat.getServerStats({});
  assert.deepEqual([activeSessions, totalSessionsCreated], [1, 1]);
});

overLanes("a call that opened a session finds its turn again", binaryLanes, {}, async (c) => {
  const { app, chat } = c;
  const request = { modelId: "scripted:3x1", message: "one", requestId: "opens" };
  const events = await collect(chat.streamChat(request));
  const sessionId = events[0]?.sessionId ?? "";
  assert.deepEqual(await collect(chat.streamChat(request)), events);
  assert.deepEqual(await collect(chat.streamChat({ ...request, sessionId })), events);
  const other = await chat.createSession({ modelId: "scripted:3x1" });
  const elsewhere = chat.streamChat({ ...request, sessionId: other.sessionId });
  assertError(await failureOf(collect(elsewhere)), Code.AlreadyExists, "REQUEST_ID_REUSED");
  assert.equal((await app.metrics()).get(modelCalls), 1);
});

const settings = { modelId: "scripted:3x1", systemInstruction: "be brief" };
const original = { message: "one", requestId: "payload", ...settings };

/** What a repetition must agree in, each with another value. */
const otherPayloads: Record<string, MessageInitShape<typeof ChatRequestSchema>> = {
  message: { message: "two" },
  type: { type: ChatRequest_Type.REGENERATE },
  generation: { generation: { temperature: 1 } },
  message_id: { messageId: "x" },
  model_id: { modelId: "scripted:4x1" },
  system_instruction: { systemInstruction: "" },
  chunk_by: { chunkBy: ChunkBy.WORD },
};

overLanes("another payload under one request_id is refused", binaryLanes, {}, async ({ chat }) => {
  const events = await collect(chat.streamChat(original));
  for (const [field, other] of Object.entries(otherPayloads)) {
    const error = await failureOf(collect(chat.streamChat({ ...original, ...other })));
    assert.equal(error.code, Code.AlreadyExists, field);
    assertError(error, Code.AlreadyExists, "REQUEST_ID_REUSED");
  }
  const same = {
    timestamp: "later",
    onBusy: OnBusy.REJECT,
    onDisconnect: OnDisconnect.CONTINUE,
    afterSequence: 1n,
  };
  assert.deepEqual(await collect(chat.streamChat({ ...original, ...same })), events.slice(1));
});

overLanes("a turn that failed replays its end and its status", binaryLanes, {}, async (c) => {
  const { app, chat } = c;
  const { sessionId } = await chat.createSession({ modelId: "scripted:5x1!unavailable@2" });
  const request = { sessionId, message: "one", requestId: "failed" };
  const first = await collectFailing(chat.streamChat(request));
  const again = await collectFailing(chat.streamChat(request));
  assert.deepEqual(again.values, first.values);
  assertError(again.error, Code.Unavailable, "MODEL_UNAVAILABLE");
  const sent = await failureOf(chat.sendMessage(request));
  assertError(sent, Code.Unavailable, "MODEL_UNAVAILABLE");
  const last = first.values.at(-1)?.sequence ?? 0n;
  const rest = await collectFailing(chat.streamChat({ ...request, afterSequence: last - 1n }));
  assert.deepEqual(rest.values, first.values.slice(-1));
  assertError(rest.error, Code.Unavailable, "MODEL_UNAVAILABLE");
  assert.equal((await app.metrics()).get(modelCalls), 1);
});

overLanes("a refused request does not use its key up", binaryLanes, {}, async ({ app, chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x20" });
  const running = openStreamChat(chat, { sessionId, message: "one" });
  await running.firstOf(CHUNK);
  const request = { sessionId, message: "two", modelId: "scripted:3x1", requestId: "refused" };
  const busy = failureOf(chat.sendMessage({ ...request, onBusy: OnBusy.REJECT }));
  assertError(await busy, Code.FailedPrecondition, "SESSION_BUSY");
  await chat.cancelTurn({ sessionId });
  assert.equal((await chat.sendMessage({ ...request, onBusy: OnBusy.REJECT })).text, words(3));
  const elsewhere = { message: "x", requestId: "later", modelId: "scripted:3x1" };
  const nowhere = failureOf(chat.sendMessage({ ...elsewhere, sessionId: "nowhere" }));
  assertError(await nowhere, Code.NotFound, "SESSION_NOT_FOUND");
  assert.equal((await chat.sendMessage(elsewhere)).text, words(3));
  assert.equal((await app.metrics()).get(modelCalls), 3);
});

overLanes("a key outlives its session, and finds nothing", binaryLanes, {}, async ({ chat }) => {
  const request = { message: "one", modelId: "scripted:3x1", requestId: "deleted" };
  const { sessionId } = await chat.sendMessage(request);
  await chat.deleteSession({ sessionId });
  for (const again of [request, { ...request, sessionId }]) {
    const error = await failureOf(collect(chat.streamChat(again)));
    assertError(error, Code.NotFound, "SESSION_NOT_FOUND");
  }
});

overLanes("CreateSession and ForkSession make one session a key", binaryLanes, {}, async (c) => {
  const { chat } = c;
  const settled = { title: "A", metadata: { a: "1", b: "2" }, requestId: "create" };
  const created = await Promise.all([chat.createSession(settled), chat.createSession(settled)]);
  assert.equal(created[0]?.sessionId, created[1]?.sessionId);
  const other = failureOf(chat.createSession({ ...settled, title: "B" }));
  assertError(await other, Code.AlreadyExists, "REQUEST_ID_REUSED");
  const { sessionId } = created[0];
  const fork = { sessionId, title: "fork", requestId: "fork" };
  const forks = await Promise.all([chat.forkSession(fork), chat.forkSession(fork)]);
  assert.equal(forks[0]?.sessionId, forks[1]?.sessionId);
  assert.notEqual(forks[0]?.sessionId, sessionId);
  const otherFork = failureOf(chat.forkSession({ ...fork, title: "x" }));
  assertError(await otherFork, Code.AlreadyExists, "REQUEST_ID_REUSED");
  assert.equal((await chat.listSessions({})).activeSessions, 2);
  await chat.deleteSession({ sessionId });
  assertError(await failureOf(chat.createSession(settled)), Code.NotFound, "SESSION_NOT_FOUND");
});

overLanes("a Chat stream joins what another one started", bidiLanes, {}, async (context) => {
  const { app, lane, chat } = context;
  const { sessionId } = await chat.createSession({ modelId: "scripted:60x5" });
  const request = {
    sessionId,
    message: "one",
    requestId: "chat",
    onDisconnect: OnDisconnect.GRACE,
  };
  const lost = openChat(chat);
  await lost.send(request);
  const { sequence } = await lost.first(({ chunkNumber }) => chunkNumber === 5);
  context.cut();
  await lost.ended;
  const call = openChat(connectLane(app, lane).chat);
  await call.send({ ...request, afterSequence: sequence });
  call.halfClose();
  assert.equal(await call.ended, undefined);
  assert.equal(call.events[0]?.sequence, sequence + 1n);
  const seen = lost.events.filter((event) => event.sequence <= sequence);
  assert.equal(replyOf([...seen, ...call.events]), words(60));
  assert.equal((await app.metrics()).get(modelCalls), 1);
});
