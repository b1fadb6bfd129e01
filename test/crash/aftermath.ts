import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { type App, buildApp } from "../../src/app.ts";
import { localCaller } from "../../src/chat/caller.ts";
import { ChatError } from "../../src/chat/errors.ts";
import type { Event } from "../../src/chat/event.ts";
import { type Message, textOf } from "../../src/chat/message.ts";
import { anonymous } from "../../src/chat/session.ts";
import { loadConfig } from "../../src/config.ts";
import { createCall, type TestCall } from "../support/calls.ts";
import { turnRequest, watchRequest } from "../support/engine.ts";
import { textPart } from "../support/models.ts";
import { foldEvents } from "./fold.ts";
import { type Entry, entriesOf } from "./journal.ts";
import { createStepProvider } from "./step-model.ts";

const quiet = { LOG_LEVEL: "silent", DEFAULT_MODEL: "eliza", ELIZA_WORDS_PER_SECOND: "0" };

/** Starts the server again on what a crash left behind, and checks all that was promised before it. */
export async function checkAftermath(database: string, before: readonly Entry[]): Promise<void> {
  const called = entriesOf(before, "called").map(({ model }) => model);
  const provider = createStepProvider({ onCall: (model) => called.push(model), hangs: false });
  const env = { ...quiet, DATABASE_URL: `sqlite:${database}` };
  const app = await buildApp(loadConfig({ env }), { providers: [provider] });
  const call = createCall();
  try {
    const sessions = entriesOf(before, "session").map(({ sessionId }) => sessionId);
    for (const sessionId of sessions) await checkSession(app, call, sessionId, before);
    await checkRequests(app, call, before);
    for (const sessionId of sessions) await checkGoesOn(app, call, sessionId);
  } finally {
    call.lose();
    await app.close();
  }
  assert.equal(new Set(called).size, called.length, `a model ran twice: ${called.join(", ")}`);
  checkDatabase(database);
}

async function checkSession(
  app: App,
  call: TestCall,
  sessionId: string,
  before: readonly Entry[],
): Promise<void> {
  const events = await eventsOf(app, call, sessionId);
  const mayBeGone = entriesOf(before, "seen").some(isDeletion(sessionId)) || !events;
  if (entriesOf(before, "deleted").some((entry) => entry.sessionId === sessionId)) {
    assert.equal(events, undefined, "a deleted session is gone");
  }
  if (!events) return assert.ok(mayBeGone);

  assert.deepEqual(
    events.map(({ sequence }) => sequence),
    events.map((_, index) => index + 1),
  );
  const seen = entriesOf(before, "seen").filter((entry) => entry.sessionId === sessionId);
  for (const { event } of seen) assert.deepEqual(asJson(events[event.sequence - 1]), event);
  checkTurns(events);
  const cancelled = entriesOf(before, "cancelled").map(({ turnId }) => turnId);
  for (const event of events) {
    if (event.type !== "end" || !cancelled.includes(event.turnId)) continue;
    assert.equal(event.finishReason, "cancelled");
  }
  const messages = await messagesOf(app, sessionId);
  for (const { state } of messages) assert.ok(state === "complete" || state === "partial", state);
  const shown = messages.map(({ messageId, role, parts }) => {
    return { messageId, role, text: textOf(parts) };
  });
  const byId = (one: { messageId: string }, other: { messageId: string }) =>
    one.messageId < other.messageId ? -1 : 1;
  assert.deepEqual(shown.toSorted(byId), foldEvents(events).toSorted(byId));
}

/** Every event of the session once nothing runs or waits in it; undefined where there is none. */
async function eventsOf(app: App, call: TestCall, sessionId: string) {
  const events: Event[] = [];
  const request = watchRequest({ sessionId, untilIdle: true });
  try {
    for await (const item of app.engine.watchSession(localCaller, request, call)) {
      if (item.type !== "live_update") events.push(item);
    }
    return events;
  } catch (error) {
    assert.ok(error instanceof ChatError && error.reason === "SESSION_NOT_FOUND", String(error));
    return undefined;
  }
}

/** Every turn has one end, its last event, and carries its question with the first. */
function checkTurns(events: readonly Event[]): void {
  const turns = Map.groupBy(
    events.filter(({ turnId }) => turnId !== ""),
    ({ turnId }) => turnId,
  );
  for (const [turnId, ofTurn] of turns) {
    const types = ofTurn.map(({ type }) => type);
    assert.equal(types.indexOf("end"), types.length - 1, `${turnId}: ${types.join()}`);
    const [first] = ofTurn;
    assert.ok(first && "userMessage" in first && first.userMessage, `${turnId}: no question`);
    const numbers = ofTurn.filter((event) => event.type === "chunk").map(({ number }) => number);
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => index + 1),
    );
  }
}

/** What was asked is asked again: nothing that was answered runs a second time. */
async function checkRequests(app: App, call: TestCall, before: readonly Entry[]): Promise<void> {
  const started = new Map(
    entriesOf(before, "started").map(({ requestId, turnId }) => [requestId, turnId]),
  );
  for (const { request } of entriesOf(before, "asked")) {
    const turnId = started.get(request.requestId);
    // What was on its way at the crash may have come to nothing, and then has to fit the session anew.
    if (turnId === undefined && request.type !== "message") continue;
    try {
      const again = await app.engine.startTurn(localCaller, request, call);
      if (turnId !== undefined) assert.equal(again.turnId, turnId);
      const types = await typesOf(app, call, again);
      if (!again.toldEnd)
        assert.equal(types.at(-1), "end", `${request.requestId}: ${types.join()}`);
    } catch (error) {
      const isGone = error instanceof ChatError && error.reason === "SESSION_NOT_FOUND";
      assert.ok(isGone, `${request.requestId}: ${String(error)}`);
      assert.equal(await eventsOf(app, call, request.sessionId), undefined);
    }
  }
}

async function typesOf(
  app: App,
  call: TestCall,
  turn: Awaited<ReturnType<App["engine"]["startTurn"]>>,
): Promise<string[]> {
  const reader = app.engine.readSession(anonymous, turn.sessionId, call.signal);
  app.engine.follow(reader, turn);
  reader.finish();
  const types: string[] = [];
  for await (const { type, turnId } of reader) if (turnId === turn.turnId) types.push(type);
  return types;
}

/** The session takes new turns, whose sequences go on. */
async function checkGoesOn(app: App, call: TestCall, sessionId: string): Promise<void> {
  const before = await eventsOf(app, call, sessionId);
  if (!before) return;
  const request = turnRequest({ sessionId, parts: [textPart("On")], modelId: "eliza" });
  const turn = await app.engine.startTurn(localCaller, request, call);
  await typesOf(app, call, turn);
  const events = await eventsOf(app, call, sessionId);
  assert.deepEqual(asJson(events?.slice(0, before.length)), asJson(before));
  assert.equal(events?.[before.length]?.sequence, before.length + 1);
  assert.equal(events.at(-1)?.type, "end");
}

async function messagesOf({ engine }: App, sessionId: string): Promise<Message[]> {
  const page = { pageSize: 200, pageToken: "", newestFirst: false, includeReplaced: false };
  return (await engine.listMessages(anonymous, sessionId, page)).items;
}

function checkDatabase(file: string): void {
  const database = new DatabaseSync(file, { readOnly: true });
  const all = (sql: string) => database.prepare(sql).all();
  assert.deepEqual(all("PRAGMA integrity_check"), [{ __proto__: null, integrity_check: "ok" }]);
  assert.deepEqual(all("PRAGMA foreign_key_check"), []);
  assert.deepEqual(all("SELECT turn_id FROM turns WHERE state <> 'ended'"), []);
  assert.deepEqual(all("SELECT message_id FROM messages WHERE state = 'queued'"), []);
  assert.deepEqual(all("SELECT session_id FROM sessions WHERE running_turn_id <> ''"), []);
  database.close();
}

function isDeletion(sessionId: string) {
  return (entry: { sessionId: string; event: Event }) =>
    entry.sessionId === sessionId &&
    entry.event.type === "session_update" &&
    entry.event.updateType === "session_deleted";
}

/** As it is after a way through JSON, as the journal's entries are. */
function asJson<T>(value: T): T {
  return value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T);
}
