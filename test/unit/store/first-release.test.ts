import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Part } from "../../../src/chat/message.ts";
import { eventsOf } from "../../../src/chat/turn-layout.ts";
import { createCaller, openDatabase } from "../../../src/sqlite/database.ts";
import { createSqliteStore } from "../../../src/store/sqlite.ts";
import { alice, noUsage, sampleTurn } from "../../contract/store-samples.ts";
import { acquire, addTurn, listIds, oldestFirst, run } from "../../contract/store-steps.ts";
import { openProbe, temporaryFolder } from "../sqlite/probe.ts";
import type { FirstReleaseOperations } from "./first-release-operations.ts";

const firstReleaseModule = new URL("./first-release-operations.ts", import.meta.url);

type FirstTurn = {
  name: string;
  order: number;
  parts?: Part[];
  chunks?: number;
  sequence?: number;
  finishReason?: string;
};

/** A file as the first release left it: turns that ended, one that ran, one that waited. */
async function writeFirstRelease(t: TestContext, turns: readonly FirstTurn[]): Promise<string> {
  const file = join(await temporaryFolder(t), "a.db");
  const database = await openDatabase({
    file,
    durability: "normal",
    modules: [firstReleaseModule],
    owner: { url: "" },
  });
  const call = createCaller<FirstReleaseOperations>(database, "store");
  const ended = turns.filter(({ sequence }) => sequence !== undefined);
  await call("run", {
    sql: `INSERT INTO sessions (session_id, principal, model, title, system_instruction, generation,
        metadata, created_at, updated_at, user_messages, model_messages, last_sequence, fence,
        turns_created, turns_started, running_turn_id, preview)
      VALUES ('s1', 'alice', 'eliza', 'Old pears', '', '{}', '{}', 1, 2, :count, :replies, :sequence,
        :started, :count, :started, :running, 'x')`,
    values: {
      count: turns.length,
      replies: ended.filter(({ parts }) => parts !== undefined).length,
      sequence: Math.max(0, ...ended.map(({ sequence = 0 }) => sequence)),
      started: Math.min(turns.length, ended.length + 1),
      running: turns[ended.length]?.name ?? "",
    },
  });
  for (const [index, turn] of turns.entries()) {
    const state = index < ended.length ? "ended" : index === ended.length ? "running" : "queued";
    await writeTurn(call, turn, state);
  }
  await database.close();
  return file;
}

async function writeTurn(
  call: (name: "run", args: Parameters<FirstReleaseOperations["run"]>[1]) => Promise<number>,
  { name, order, parts, chunks = 0, sequence = 0, finishReason = "stop" }: FirstTurn,
  state: "ended" | "running" | "queued",
): Promise<void> {
  const isEnded = state === "ended";
  const position = state === "queued" ? null : order;
  const reply = parts === undefined ? null : JSON.stringify(parts);
  await call("run", {
    sql: `INSERT INTO turns (turn_id, session_id, principal, state, queue_order, position, fence,
        request_id, model, system_instruction, generation, chunk_by, reply_message_id, created_at,
        answered_model, finish_reason, usage, total_chunks, first_chunk_ms, processing_ms,
        last_sequence, ended_at)
      VALUES (:name, 's1', 'alice', :state, :order, :position, :fence, :request, 'eliza', '', '{}',
        'model', :reply, 2000, 'eliza', :finishReason, :usage, :chunks, :firstChunkMs, :processingMs,
        :sequence, :endedAt)`,
    values: {
      name,
      state,
      order,
      position,
      fence: position ?? 0,
      request: `request-${name}`,
      reply: `reply-${name}`,
      finishReason: isEnded ? finishReason : null,
      usage: isEnded ? JSON.stringify(noUsage) : null,
      chunks,
      firstChunkMs: chunks > 0 ? 10 : null,
      processingMs: isEnded ? 100 : null,
      sequence,
      endedAt: isEnded ? 3_000 + order : null,
    },
  });
  const insertMessage = `INSERT INTO messages (message_id, session_id, principal, turn_id, role, state,
      ord, parts, created_at, request_id, model, finish_reason, usage, sequence)
    VALUES (:id, 's1', 'alice', :name, :role, :state, :ord, :parts, 2000, :request, :model, :reason,
      :usage, :sequence)`;
  const question = sampleTurn(name).userMessage;
  const ord = position === null ? 2 ** 40 + order * 2 : position * 2;
  await call("run", {
    sql: insertMessage,
    values: {
      id: question.messageId,
      name,
      role: "user",
      state: position === null ? "queued" : "complete",
      ord,
      parts: JSON.stringify(question.parts),
      request: question.requestId,
      model: "",
      reason: null,
      usage: null,
      sequence: 0,
    },
  });
  if (reply === null) return;
  await call("run", {
    sql: insertMessage,
    values: {
      id: `reply-${name}`,
      name,
      role: "model",
      state: "complete",
      ord: ord + 1,
      parts: reply,
      request: "",
      model: "eliza",
      reason: finishReason,
      usage: JSON.stringify(noUsage),
      sequence,
    },
  });
}

const thoughtful: Part[] = [
  { type: "thought", text: "hm" },
  { type: "text", text: "pears 😀😀 and plums", signature: "sig" },
];
const turns: FirstTurn[] = [
  // STATUS 1, RESPONSE_START 2, chunks 3 to 7, the end 8.
  { name: "t1", order: 1, parts: thoughtful, chunks: 5, sequence: 8 },
  // Refused before its model answered: STATUS 9, the end 10.
  { name: "t2", order: 2, sequence: 10, finishReason: "failed" },
  // Its STATUS could not be recorded: the end 11 alone.
  { name: "t3", order: 3, sequence: 11, finishReason: "interrupted" },
  { name: "t4", order: 4 },
  { name: "t5", order: 5 },
];

async function openNew(t: TestContext, file: string) {
  const { database } = await openProbe(t, file);
  const store = createSqliteStore(database);
  t.after(() => store.close());
  return store;
}

test("a file of the first release opens, with all that was in it", async (t) => {
  const store = await openNew(t, await writeFirstRelease(t, turns));
  const history = ["question-t1", "reply-t1", "question-t2", "question-t3", "question-t4"];
  assert.deepEqual(await listIds(store), [...history, "question-t5"]);
  const session = await store.getSession(alice, "s1");
  assert.equal(session?.runningTurnId, "t4");
  assert.deepEqual(session?.queuedTurnIds, ["t5"]);
  const question = sampleTurn("t4").userMessage;
  const running = sampleTurn("t4", {
    userMessage: { ...question, createdAt: 2_000, state: "complete" },
  });
  const unfinished = await store.unfinishedTurns();
  assert.deepEqual(unfinished[0], { turn: running, state: "running", fence: 4 });
  assert.deepEqual(unfinished[1], { turn: sampleTurn("t5"), state: "queued", fence: 0 });
});

test("its turns are told again: sequences, kinds and text as they were", async (t) => {
  const store = await openNew(t, await writeFirstRelease(t, turns));
  const stored = await store.turnsAfter("s1", 0, 10);
  assert.deepEqual(
    stored.map(({ turn }) => turn.turnId),
    ["t1", "t2", "t3"],
  );
  const events = stored.flatMap(eventsOf);
  assert.deepEqual(
    events.map(({ sequence, type }) => [sequence, type]),
    [
      [1, "status"],
      [2, "start"],
      [3, "chunk"],
      [4, "chunk"],
      [5, "chunk"],
      [6, "chunk"],
      [7, "chunk"],
      [8, "end"],
      [9, "status"],
      [10, "end"],
      [11, "end"],
    ],
  );
  const chunks = events.filter((event) => event.type === "chunk");
  const texts = (isThought: boolean) =>
    chunks.filter(({ thought }) => (thought ?? false) === isThought).map(({ text }) => text);
  assert.equal(texts(true).join(""), "hm");
  assert.equal(texts(false).join(""), "pears 😀😀 and plums");
  for (const { text } of chunks) assert.ok(text.isWellFormed(), text);
  assert.deepEqual(
    chunks.map(({ number }) => number),
    [1, 2, 3, 4, 5],
  );
  const questions = events.filter((event) => "userMessage" in event && event.userMessage);
  assert.deepEqual(
    questions.map(({ sequence }) => sequence),
    [1, 9, 11],
  );
  const [, start, , , , , , end] = events;
  assert.ok(start?.type === "start" && end?.type === "end");
  assert.equal(start.elapsedMs, 10);
  assert.deepEqual([end.elapsedMs, end.at, end.signature], [100, 3_001, "sig"]);
});

test("its turns go on: one is ended, one runs, one continues a reply", async (t) => {
  const file = await writeFirstRelease(t, turns);
  const store = await openNew(t, file);
  const [running] = await store.unfinishedTurns();
  assert.ok(running);
  await store.endTurn({
    turnId: "t4",
    sessionId: "s1",
    fence: running.fence,
    model: "eliza",
    finishReason: "interrupted",
    usage: { ...noUsage, inputTokens: 5 },
    parts: [],
    replyMessageId: "reply-t4",
    totalChunks: 0,
    processingMs: 0,
    sequence: 12,
    endedAt: 4_000,
    layout: [],
  });
  assert.equal(await store.tokensUsed(alice, 4_000), 5);
  const next = await acquire(store);
  assert.equal(next.turn.turnId, "t5");
  assert.ok(next.fence > running.fence);
});

test("a reply of the first release that is continued keeps its own turn's parts apart", async (t) => {
  const only: FirstTurn[] = [
    { name: "t1", order: 1, parts: [{ type: "text", text: "once" }], chunks: 1, sequence: 4 },
  ];
  const store = await openNew(t, await writeFirstRelease(t, only));
  const before = await store.getTurn(alice, "s1", "t1");
  const [question] = (await store.listMessages(alice, "s1", oldestFirst)).items;
  assert.ok(question);
  const rest = { replyMessageId: "reply-t1", userMessage: question };
  await addTurn(store, sampleTurn("t2", { type: "continue", ...rest }));
  await run(store, "t2", { sequence: 8, parts: [{ type: "text", text: " more" }] });
  const message = await store.getMessage(alice, "s1", "reply-t1");
  assert.deepEqual(message?.parts, [{ type: "text", text: "once more" }]);
  assert.deepEqual(await store.getTurn(alice, "s1", "t1"), before);
});

test("its titles and messages are indexed", async (t) => {
  const store = await openNew(t, await writeFirstRelease(t, turns));
  await store.tidy();
  for (const query of ["old pears", "plums", "ask t5"]) {
    const { items } = await store.listSessions(alice, { pageSize: 5, pageToken: "", query });
    assert.equal(items.length, 1, query);
  }
});
