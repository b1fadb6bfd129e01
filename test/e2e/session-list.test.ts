import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { Client } from "@connectrpc/connect";
import {
  ChatRequest_Type,
  type ChatResponse,
  ChatResponse_Type,
  type ChatService,
  type SessionSummary,
} from "../../src/gen/chat/chat_pb.ts";
import { startApp } from "../support/app.ts";
import { bidiLanes, binaryLanes, connectLane, overLanes, plainLanes } from "../support/lanes.ts";
import { temporaryFolder } from "../support/programs.ts";
import { dataOf, openChat, openStreamChat, openWatch } from "../support/stream-call.ts";

const { CHUNK } = ChatResponse_Type;
const { TYPING_START, TYPING_STOP } = ChatRequest_Type;

type Chat = Client<typeof ChatService>;

async function listAll(chat: Chat, request: { pageSize?: number; query?: string }) {
  const sessions: SessionSummary[] = [];
  let pageToken = "";
  do {
    const page = await chat.listSessions({ ...request, pageToken });
    sessions.push(...page.sessions);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return sessions;
}

async function open(chat: Chat, title: string, message = ""): Promise<string> {
  const { sessionId } = await chat.createSession({ modelId: "scripted:2x0", title });
  if (message !== "") await chat.sendMessage({ sessionId, message });
  return sessionId;
}

overLanes("sessions are listed latest change first, page by page", binaryLanes, {}, async (c) => {
  const { chat } = c;
  const ids: string[] = [];
  for (const title of ["a", "b", "c", "d", "e"]) ids.push(await open(chat, title));
  await chat.sendMessage({ sessionId: ids[1] ?? "", message: "now I am the latest" });
  const first = await chat.listSessions({ pageSize: 2 });
  assert.deepEqual(
    [first.sessions.map(({ title }) => title), first.activeSessions],
    [["b", "e"], 5],
  );
  assert.deepEqual([first.sessions[0]?.preview, first.sessions[0]?.messageCount], ["w1 w2", 2]);

  // Between the pages one moves to the top, one goes, one comes.
  await chat.sendMessage({ sessionId: ids[0] ?? "", message: "a moves" });
  await chat.deleteSession({ sessionId: ids[3] ?? "" });
  await open(chat, "f");
  const second = await chat.listSessions({ pageSize: 2, pageToken: first.nextPageToken });
  assert.deepEqual(
    second.sessions.map(({ title }) => title),
    ["c"],
    "none comes twice, none that stayed in its place is left out",
  );
  const titles = (await listAll(chat, { pageSize: 2 })).map(({ title }) => title);
  assert.deepEqual(titles, ["f", "a", "b", "e", "c"]);
});

overLanes("a session that runs is listed as running", binaryLanes, {}, async ({ chat }) => {
  const sessionId = await open(chat, "busy");
  const call = openStreamChat(chat, { sessionId, message: "one", modelId: "scripted:9x1!hang@1" });
  await call.firstOf(CHUNK);
  assert.deepEqual([(await chat.listSessions({})).sessions[0]?.running], [true]);
  await chat.cancelTurn({ sessionId });
  assert.equal(await call.ended, undefined);
  assert.deepEqual([(await chat.listSessions({})).sessions[0]?.running], [false]);
});

/** Searches until as many are found: the index follows a moment behind. */
async function search(chat: Chat, query: string, count: number): Promise<string[]> {
  const end = performance.now() + 5_000;
  for (;;) {
    const titles = (await listAll(chat, { query, pageSize: 1 })).map(({ title }) => title);
    if (titles.length === count || performance.now() > end) return titles.toSorted();
  }
}

for (const adapter of ["memory", "sqlite"]) {
  test(`search finds words in titles and messages (${adapter})`, async (t) => {
    const file = join(temporaryFolder(t), "chatwire.db");
    const database = adapter === "memory" ? "memory:" : `sqlite:${file}`;
    const app = await startApp(t, { env: { DATABASE_URL: database } });
    const clients = binaryLanes.map((lane) => connectLane(app, lane).chat);
    const [chat] = clients;
    assert.ok(chat);
    const apples = await open(chat, "Apple pie", "How long does it bake?");
    await open(chat, "Travel", "To Zürich, by night train");
    await open(chat, "Empty");
    const said = await chat.createSession({ modelId: "scripted:say", title: "Said" });
    await chat.sendMessage({ sessionId: said.sessionId, message: "an APPLE a day" });
    await search(chat, "apple", 2);
    for (const other of clients) {
      assert.deepEqual(await search(other, "apple", 2), ["Apple pie", "Said"]);
      assert.deepEqual(await search(other, "apple bake", 1), ["Apple pie"], "all the words");
      assert.deepEqual(await search(other, "zürich", 1), ["Travel"]);
      assert.deepEqual(await search(other, "night tra", 1), ["Travel"], "a beginning at the end");
      assert.deepEqual(await search(other, 'ni "x" OR * (', 0), [], "no query language");
      assert.equal((await search(other, "  ", 4)).length, 4);
    }
    await chat.updateSession({ sessionId: apples, title: "Pear pie" });
    assert.deepEqual(await search(chat, "pear", 1), ["Pear pie"]);
    assert.deepEqual(await search(chat, "apple", 1), ["Said"]);
    await chat.deleteSession({ sessionId: said.sessionId });
    assert.deepEqual(await search(chat, "apple", 0), []);
  });
}

/** What a watch of the list was told. */
const told = (events: readonly ChatResponse[]) =>
  events
    .filter(({ type }) => type === ChatResponse_Type.SESSION_UPDATE)
    .map((event) => [event.updateType, dataOf(event)]);

overLanes("a watch of the list hears of every session", plainLanes, {}, async ({ chat }) => {
  const list = openWatch(chat, { sessionList: true });
  // Nothing tells that it listens: it has heard of a session that was made while it opened.
  while (list.events.length === 0) await open(chat, "heard");
  const before = list.events.length;
  const { sessionId } = await chat.createSession({ modelId: "scripted:2x0", title: "mine" });
  const { turnId } = await chat.sendMessage({ sessionId, message: "one" });
  await chat.updateSession({ sessionId, title: "ours" });
  const fork = await chat.forkSession({ sessionId });
  await chat.deleteSession({ sessionId });
  await list.first((event) => event.updateType === "session_deleted");
  list.abort();
  await list.ended;
  const about = { session_id: sessionId };
  assert.deepEqual(told(list.events.slice(before)).slice(-6), [
    ["session_created", about],
    ["session_running", { ...about, turn_id: turnId }],
    ["session_idle", about],
    ["session_changed", { ...about, title: "ours" }],
    ["session_created", { session_id: fork.sessionId }],
    ["session_deleted", about],
  ]);
  assert.ok(list.events.every(({ sequence, epoch }) => sequence === 0n && epoch === 0));
});

overLanes("one watch carries a session and the list", binaryLanes, {}, async ({ chat }) => {
  const sessionId = await open(chat, "mine");
  const watch = openWatch(chat, { sessionId, sessionList: true });
  await watch.update("live");
  await chat.updateSession({ sessionId, title: "ours" });
  const other = await open(chat, "other");
  await chat.deleteSession({ sessionId });
  await watch.ended;
  const changes = watch.events.filter(({ updateType }) => updateType === "session_changed");
  const sequences = changes.map(({ sequence }) => sequence);
  assert.deepEqual(new Set(sequences), new Set([0n, 1n]));
  assert.equal(sequences.length, 2);
  const created = watch.events.find(({ updateType }) => updateType === "session_created");
  assert.equal(created?.sessionId, other);
});

overLanes("watchers see who types, the typist does not", bidiLanes, {}, async (context) => {
  const { app, lane, chat } = context;
  const sessionId = await open(chat, "typing");
  const other = connectLane(app, lane).chat;
  const watches = [1, 2].map(() => openWatch(other, { sessionId }));
  for (const watch of watches) await watch.update("live");
  const elsewhere = openWatch(other, { sessionId: await open(chat, "elsewhere") });
  await elsewhere.update("live");
  const call = openChat(chat);
  await call.send({ type: TYPING_START, sessionId });
  await call.send({ type: TYPING_STOP });
  for (const watch of watches) {
    assert.deepEqual(await watch.update("typing_started"), {});
    assert.deepEqual(await watch.update("typing_stopped"), {});
    assert.equal(watch.recorded().length, 0);
    watch.abort();
  }
  call.halfClose();
  assert.equal(await call.ended, undefined);
  assert.deepEqual(call.events, []);
  elsewhere.abort();
  await elsewhere.ended;
  assert.deepEqual(
    elsewhere.events.map(({ updateType }) => updateType),
    ["watching", "live"],
  );
});
