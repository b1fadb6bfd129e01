import assert from "node:assert/strict";
import { test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  ChatRequest_Type,
  type ChatRequestSchema,
  ChatResponse_Type,
  ChatService,
  ServerStatsResponseSchema,
} from "../../../src/gen/chat/chat_pb.ts";
import { startAuthApp } from "../../support/auth.ts";
import {
  assertNotFound,
  assertOwn,
  assertTellsNothing,
  assertUntouched,
  createForeign,
  type Foreign,
} from "../../support/foreign.ts";
import { bidiLanes, binaryLanes } from "../../support/lanes.ts";
import { openChat, openStreamChat, openWatch } from "../../support/stream-call.ts";
import { assertError, collect, failureOf, replyOf } from "../../support/wire.ts";

type Request = MessageInitShape<typeof ChatRequestSchema>;

const { EDIT, REGENERATE, CONTINUE, CANCEL, PING, TYPING_START, TYPING_STOP } = ChatRequest_Type;
const say = { modelId: "scripted:say" };

/** What the statistics say of the server, and of nobody's doings. */
const known = new Set(["model", "framework", "version", "uptimeSeconds"]);

/** What bob tries with each RPC. One that is added to the contract needs a case here. */
const cases: Record<keyof typeof ChatService.method, (foreign: Foreign) => Promise<void>> = {
  async createSession({ chat, bob, created, sessionId }) {
    const { requestId, modelId } = created;
    const own = await chat.createSession({ requestId, modelId }, bob);
    assert.notEqual(own.sessionId, sessionId);
    // The key is his own by now: what counts is what he has sent with it.
    const again = await failureOf(chat.createSession(created, bob));
    assertError(again, Code.AlreadyExists, "REQUEST_ID_REUSED");
    assertTellsNothing(again);
  },

  async getSessionInfo({ chat, bob, sessionId }) {
    await assertNotFound((id) => chat.getSessionInfo({ sessionId: id }, bob), sessionId);
  },

  async listSessions({ chat, bob, pageTokens }) {
    const nothing = { sessions: [], nextPageToken: "", activeSessions: 0 };
    for (const request of [{}, { query: "Zanzibar" }, { query: "w1" }]) {
      const { sessions, nextPageToken, activeSessions } = await chat.listSessions(request, bob);
      assert.deepEqual({ sessions, nextPageToken, activeSessions }, nothing);
    }
    const next = await failureOf(chat.listSessions({ pageToken: pageTokens.sessions }, bob));
    assertError(next, Code.InvalidArgument, "INVALID_REQUEST");
    assertTellsNothing(next);
  },

  async deleteSession({ chat, bob, sessionId }) {
    await assertNotFound((id) => chat.deleteSession({ sessionId: id }, bob), sessionId);
  },

  async getServerStats({ chat, bob }) {
    const stats = await chat.getServerStats({}, bob);
    const counts = ServerStatsResponseSchema.fields.filter(
      ({ localName }) => !known.has(localName),
    );
    assert.ok(counts.length > 10);
    for (const { localName } of counts) {
      assert.equal(Number(stats[localName as keyof typeof stats]), 0, localName);
    }
  },

  async chat(foreign) {
    const { chat, bob, lane, sessionId, turnId, requestId, ended, alice } = foreign;
    if (!bidiLanes.includes(lane)) return;
    const watch = openWatch(chat, { sessionId }, alice);
    await watch.update("live");
    const before = watch.events.length;
    const refused: Request[] = [
      { message: "Mine" },
      { message: "Mine", requestId: ended.requestId },
      { type: EDIT, messageId: ended.messageId, message: "Mine" },
      { type: REGENERATE },
      { type: CONTINUE },
      { type: CANCEL },
      { type: CANCEL, turnId },
      { type: CANCEL, requestId },
      { type: TYPING_START },
      { type: TYPING_STOP },
    ];
    for (const request of refused) {
      const call = openChat(chat, bob);
      await call.send({ ...request, sessionId });
      call.halfClose();
      assert.equal(await call.ended, undefined);
      assert.equal(call.events.length, 1);
      const [event] = call.events;
      assert.equal(event?.type, ChatResponse_Type.ERROR);
      assert.equal(event.errorReason, "SESSION_NOT_FOUND");
      assert.equal(event.sequence, 0n);
      assertTellsNothing(event);
    }
    const call = openChat(chat, bob);
    await call.send({ type: PING, sessionId });
    assertTellsNothing(await call.firstOf(ChatResponse_Type.PONG));
    call.halfClose();
    await call.ended;
    const seen = watch.events.slice(before).filter(({ type }) => type !== ChatResponse_Type.CHUNK);
    assert.deepEqual(seen, [], "alice was told of what bob tried");
    watch.abort();
    await watch.ended;
  },

  async health({ chat, bob }) {
    const health = await chat.health({}, bob);
    assert.deepEqual([health.healthy, health.activeSessions], [true, 0]);
    assertTellsNothing(health);
  },

  async listModels({ chat, bob, alice }) {
    assert.deepEqual(await chat.listModels({}, bob), await chat.listModels({}, alice));
  },

  async updateSession({ chat, bob, sessionId }) {
    const update = (id: string) => chat.updateSession({ sessionId: id, title: "Mine" }, bob);
    await assertNotFound(update, sessionId);
  },

  async forkSession({ chat, bob, sessionId, ended, forkRequestId }) {
    await assertNotFound((id) => chat.forkSession({ sessionId: id }, bob), sessionId);
    const requestId = forkRequestId;
    await assertNotFound((id) => chat.forkSession({ sessionId: id, requestId }, bob), sessionId);
    const own = await chat.sendMessage({ message: "Mine", ...say }, bob);
    const fork = (upToMessageId: string) =>
      chat.forkSession({ sessionId: own.sessionId, upToMessageId }, bob);
    await assertNotFound(fork, ended.messageId, "MESSAGE_NOT_FOUND");
    const forked = await chat.forkSession({ sessionId: own.sessionId, requestId }, bob);
    assert.equal(forked.session?.messageCount, 2);
    assertTellsNothing(forked);
  },

  async listMessages({ chat, bob, sessionId, pageTokens }) {
    await assertNotFound((id) => chat.listMessages({ sessionId: id }, bob), sessionId);
    const pageToken = pageTokens.messages;
    const list = (id: string) => chat.listMessages({ sessionId: id, pageToken }, bob);
    await assertNotFound(list, sessionId);
    const own = await chat.sendMessage({ message: "Mine", ...say }, bob);
    const next = await failureOf(list(own.sessionId));
    assertError(next, Code.InvalidArgument, "INVALID_REQUEST");
    assertTellsNothing(next);
  },

  async streamChat(foreign) {
    const { chat, bob, ended, requestId } = foreign;
    await assertTurnsAreOwn(foreign, (request) => collect(chat.streamChat(request, bob)));
    const joined = openStreamChat(chat, { message: "Mine", requestId, ...say }, bob);
    assert.equal(await joined.ended, undefined);
    assertOwn(joined.events, foreign);
    assert.equal(replyOf(joined.events), "Mine");
    const resumed = await collect(
      chat.streamChat({ message: "Mine", requestId: ended.requestId, ...say }, bob),
    );
    assertOwn(resumed, foreign);
    assert.equal(replyOf(resumed), "Mine");
  },

  async sendMessage(foreign) {
    const { chat, bob, requestId, ended, sessionId, turnId } = foreign;
    await assertTurnsAreOwn(foreign, (request) => chat.sendMessage(request, bob));
    for (const key of [requestId, ended.requestId]) {
      const own = await chat.sendMessage({ message: "Mine", requestId: key, ...say }, bob);
      assert.equal(own.text, "Mine");
      assert.notEqual(own.sessionId, sessionId);
      assert.ok(own.turnId !== turnId && own.turnId !== ended.turnId);
    }
  },

  async watchSession(foreign) {
    const { chat, bob, alice, sessionId } = foreign;
    const requests = [{}, { afterSequence: 3n }, { sessionList: true }, { untilIdle: true }];
    for (const request of requests) {
      const watch = (id: string) => collect(chat.watchSession({ ...request, sessionId: id }, bob));
      await assertNotFound(watch, sessionId);
    }
    const list = openWatch(chat, { sessionList: true }, bob);
    await list.update("watching");
    const another = await chat.createSession({ title: "Zanzibar once more" }, alice);
    await chat.updateSession({ sessionId: another.sessionId, title: "Zanzibar" }, alice);
    await chat.sendMessage({ sessionId: another.sessionId, message: "Zanzibar", ...say }, alice);
    await chat.deleteSession({ sessionId: another.sessionId }, alice);
    const own = await chat.createSession({}, bob);
    const event = await list.first(({ updateType }) => updateType === "session_created");
    assert.equal(event.sessionId, own.sessionId);
    assertOwn(list.events, foreign);
    const types = list.events.map(({ updateType }) => updateType);
    assert.deepEqual(types, ["watching", "session_created"]);
    list.abort();
    await list.ended;
  },

  async cancelTurn({ chat, bob, sessionId, turnId, requestId }) {
    for (const named of [{}, { turnId }, { requestId }, { turnId, requestId }]) {
      const cancel = (id: string) => chat.cancelTurn({ ...named, sessionId: id }, bob);
      await assertNotFound(cancel, sessionId);
    }
    const { cancelled, turnId: named } = await chat.cancelTurn({ requestId }, bob);
    assert.deepEqual([cancelled, named], [false, ""]);
    const own = await chat.createSession(say, bob);
    for (const other of [{ turnId }, { requestId }]) {
      const answer = await chat.cancelTurn({ sessionId: own.sessionId, ...other }, bob);
      assert.equal(answer.cancelled, false);
    }
  },

  async getAttachment({ chat, bob, sessionId }) {
    const read = chat.getAttachment({ sessionId, attachmentId: "any" }, bob);
    assertError(await failureOf(collect(read)), Code.Unimplemented, "NOT_IMPLEMENTED");
  },
};

/** Turns in alice's session, and such as name her messages in bob's own. */
async function assertTurnsAreOwn(
  { chat, bob, sessionId, ended }: Foreign,
  send: (request: Request) => Promise<unknown>,
): Promise<void> {
  const { messageId, requestId } = ended;
  const kinds: Request[] = [
    { message: "Mine" },
    { type: EDIT, messageId, message: "Mine" },
    { type: REGENERATE },
    { type: CONTINUE },
  ];
  for (const kind of kinds) {
    await assertNotFound((id) => send({ ...kind, sessionId: id }), sessionId);
    await assertNotFound((id) => send({ ...kind, sessionId: id, requestId }), sessionId);
  }
  const own = await chat.sendMessage({ message: "Hello", ...say }, bob);
  const edit = (id: string) =>
    send({ type: EDIT, sessionId: own.sessionId, messageId: id, message: "Mine" });
  await assertNotFound(edit, messageId, "MESSAGE_NOT_FOUND");
}

for (const lane of binaryLanes) {
  for (const { localName } of ChatService.methods) {
    test(`${localName} of another principal's session finds nothing (${lane.name})`, async (t) => {
      const app = await startAuthApp(t);
      const foreign = await createForeign(app, lane);
      await cases[localName as keyof typeof cases](foreign);
      await assertUntouched(foreign);
    });
  }
}
