import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { NewEvent } from "../../../src/chat/event.ts";
import { anonymous } from "../../../src/chat/session.ts";
import type { RequestKey, Store } from "../../../src/chat/store.ts";
import type { Turn } from "../../../src/chat/turn.ts";
import { fingerprintOf } from "../../../src/chat/turn-request.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { createCall } from "../../support/calls.ts";
import {
  allMessages,
  createSession,
  createTurn,
  endOf,
  kindsOf,
  openEngine,
  openMemoryLog,
  recordedEvents,
  take,
  textWithRole,
  turnRequest,
} from "../../support/engine.ts";
import { chunkEvent } from "../../support/events.ts";
import { createFakeTimers } from "../../support/fake-timers.ts";
import { createFaulty } from "../../support/faults.ts";
import { settle, until } from "../../support/loops.ts";
import { textPart, thoughtPart, waitingAfter } from "../../support/models.ts";

const sessionId = "session";

describe("recovery of a turn that ran", () => {
  it("ends it INTERRUPTED where it has no end, with what had arrived", async (t) => {
    const { store, crashed, recover, recorded } = await open(t);
    await crashed("one", [status, start, chunkEvent(1), thought]);
    await recover();
    const events = await recorded();
    const end = endOf(events);
    assert.deepEqual([events.length, end.sequence, end.finishReason], [5, 5, "interrupted"]);
    assert.deepEqual([end.error?.kind, end.error?.retryable], ["unavailable", true]);
    assert.deepEqual([end.totalChunks, end.firstChunkMs, end.messageCount], [2, 30, 2]);
    assert.deepEqual([end.usage.estimated, end.userMessage], [true, undefined]);
    const [question, reply] = await allMessages(store, sessionId);
    assert.equal(question?.state, "complete");
    assert.deepEqual(
      [reply?.state, reply?.messageId, reply?.parts],
      ["partial", end.messageId, [textPart("w1 "), thoughtPart("hm")]],
    );
  });

  it("gives one of which the log has nothing an end that carries its question", async (t) => {
    const { store, crashed, recover, recorded } = await open(t);
    await crashed("one", []);
    await recover();
    const end = endOf(await recorded());
    assert.deepEqual([end.sequence, end.messageCount], [1, 1]);
    assert.equal(end.userMessage?.turnId, "one");
    assert.equal((await allMessages(store, sessionId)).length, 1);
  });

  it("stores an end that the log has as it is", async (t) => {
    const { store, log, crashed, recover } = await open(t);
    await crashed("one", [status, start, chunkEvent(1), end]);
    await recover();
    assert.equal(await log.lastSequence(sessionId), 4);
    const [, reply] = await allMessages(store, sessionId);
    assert.deepEqual(
      [reply?.finishReason, reply?.usage, reply?.createdAt, reply?.sequence],
      ["stop", end.usage, end.at, 4],
    );
    assert.deepEqual(reply?.parts, [{ ...textPart("w1 "), signature: "sig" }]);
  });

  it("lets retention begin when every end is stored, and not before", async (t) => {
    const { store, log, crashed, recover } = await open(t, { retentionBytes: 1 });
    await crashed("one", [status, start, chunkEvent(1), end]);
    await log.prune();
    assert.equal(await log.floor(sessionId), 0);
    let unfinished: number | undefined;
    const startRetention = async () => {
      unfinished = (await store.unfinishedTurns()).length;
    };
    await recover({ log: { ...unclosed(log), startRetention } });
    assert.equal(unfinished, 0);
    await log.prune();
    assert.equal(await log.floor(sessionId), 4);
  });

  it("ends one that was being withdrawn CANCELLED, as was asked", async (t) => {
    const { store, recover, queued, recorded } = await open(t);
    await queued("one");
    assert.equal(await store.withdrawTurn(sessionId, "one"), true);
    await recover();
    const end = endOf(await recorded());
    assert.deepEqual([end.finishReason, end.error, end.messageCount], ["cancelled", undefined, 0]);
    assert.deepEqual(await allMessages(store, sessionId), []);
  });

  it("changes nothing when it is repeated", async (t) => {
    const { store, crashed, recover, recorded } = await open(t);
    await crashed("one", [status, start, chunkEvent(1)]);
    await recover();
    const before = [await recorded(), await allMessages(store, sessionId)];
    await recover();
    assert.deepEqual([await recorded(), await allMessages(store, sessionId)], before);
  });

  it("goes on where a crash cut it short: between the log's end and the store's", async (t) => {
    const { store, log, crashed, recover, recorded } = await open(t);
    await crashed("one", [status, start, chunkEvent(1)]);
    // Killed before the store has answered: an error would be tried again, on a real timer.
    const killed = { ...store, endTurn: () => new Promise<never>(() => {}) };
    const first = await openEngine(t, { store: killed, log: unclosed(log) });
    void first.engine.recover();
    await until(async () => (await recorded()).at(-1)?.type === "end");
    await recover();
    assert.deepEqual(await store.unfinishedTurns(), []);
    assert.equal((await recorded()).filter(({ type }) => type === "end").length, 1);
  });

  it("leaves it to its readers, who are told the very same events again", async (t) => {
    const { crashed, recover, recorded } = await open(t);
    await crashed("one", [status, start, chunkEvent(1)], { requestId: "r" });
    const { watch } = await recover();
    const seen = await Array.fromAsync(watch({ sessionId, untilIdle: true }));
    assert.deepEqual(
      seen.filter(({ type }) => type !== "live_update"),
      await recorded(),
    );
  });

  it("lets a new turn start, its sequences after the recovered one's", async (t) => {
    const { crashed, recover } = await open(t);
    await crashed("one", [status, start, chunkEvent(1)]);
    const { ask } = await recover();
    const [first] = await ask({ sessionId });
    assert.equal(first?.sequence, 5);
    assert.equal(first?.type === "status" && first.contextMessages, 3);
  });

  it("raises the epoch where the log is behind, and uses no sequence again", async (t) => {
    const { store, crashed, recover } = await open(t);
    await crashed("one", [status, start, chunkEvent(1), end]);
    await recover();
    await crashed("two", []);
    const log = await openMemoryLog();
    const { engine } = await recover({ log });
    const events = await recordedFrom(log, 4);
    assert.deepEqual([endOf(events).sequence, endOf(events).turnId], [5, "two"]);
    assert.equal((await engine.getSession(anonymous, sessionId)).epoch, 2);
    assert.deepEqual(await store.unfinishedTurns(), []);
  });

  it("fails when the storage does, and may be tried again", async (t) => {
    const { log, store, crashed, recover } = await open(t);
    await crashed("one", [status]);
    const { port, fail, mend } = createFaulty(store);
    fail("unfinishedTurns");
    const engine = await openEngine(t, { store: port, log: unclosed(log) });
    await assert.rejects(engine.engine.recover(), { reason: "STORAGE_UNAVAILABLE" });
    mend("unfinishedTurns");
    await engine.engine.recover();
    assert.deepEqual(await store.unfinishedTurns(), []);
    await recover();
  });
});

describe("recovery of turns that waited", () => {
  it("runs them in their order, behind the one that ran, also when the clock went back", async (t) => {
    const { crashed, queued, recover, store } = await open(t);
    await crashed("ran", [status], { createdAt: 5_000 });
    await queued("first", { createdAt: 1_000 });
    await queued("urgent", { createdAt: 900 }, { atHead: true });
    await queued("last", { createdAt: 1_000 });
    const { ended } = await recover();
    await until(() => ended.length === 4);
    assert.deepEqual(
      ended.map(({ turnId, finishReason }) => [turnId, finishReason]),
      [
        ["ran", "interrupted"],
        ["urgent", "stop"],
        ["first", "stop"],
        ["last", "stop"],
      ],
    );
    assert.deepEqual(await store.unfinishedTurns(), []);
  });

  it("tells their place as it is", async (t) => {
    const { queued, recover } = await open(t);
    await queued("running");
    await queued("first", { createdAt: 2_000 });
    await queued("urgent", { createdAt: 3_000 }, { atHead: true });
    const { watch } = await recover({ generate: waitingAfter() });
    const [watching] = await take(watch({ sessionId }), 1);
    assert.ok(watching?.type === "live_update");
    const { running_turn_id, queued_turn_ids } = watching.data;
    assert.deepEqual([running_turn_id, queued_turn_ids], ["urgent", ["running", "first"]]);
  });

  it("tells their question once: with turn_queued, or else with STATUS", async (t) => {
    const { queued, recover, recorded, store } = await open(t);
    await queued("told", {}, {}, [turnQueued("told")]);
    await queued("untold", { createdAt: 2_000 });
    const { ended } = await recover();
    await until(() => ended.length === 2);
    const events = await recorded();
    const questions = events.flatMap((event) =>
      "userMessage" in event && event.userMessage ? [[event.turnId, kindsOf([event])[0]]] : [],
    );
    assert.deepEqual(questions, [
      ["told", "turn_queued"],
      ["untold", "status"],
    ]);
    // As the stored turns tell it, too.
    const emptied = await openMemoryLog();
    await emptied.skipTo(sessionId, events.length);
    const replaying = await openEngine(t, { store, log: emptied });
    const replayed = await Array.fromAsync(replaying.watch({ sessionId, untilIdle: true }));
    assert.deepEqual(
      replayed.filter(({ type }) => type !== "live_update"),
      events,
    );
  });

  it("says what an edit has replaced, however far it was", async (t) => {
    for (const told of [[], [turnQueued("edit")]]) {
      const { store, queued, crashed, recover, recorded } = await open(t);
      await crashed("old", [status, start, chunkEvent(1), end]);
      await recover();
      const replaces = (await allMessages(store, sessionId)).map(({ messageId }) => messageId);
      await queued("edit", { type: "edit", replaces }, {}, told);
      const { ended } = await recover();
      await until(() => ended.length === 1);
      const kinds = kindsOf((await recorded()).filter(({ turnId }) => turnId === "edit"));
      assert.equal(kinds.filter((kind) => kind === "messages_replaced").length, 1);
      const shown = (await allMessages(store, sessionId)).map(textWithRole);
      assert.deepEqual(shown, ["user: Hi", "model: Hello"]);
    }
  });

  it("says it also of one that ran and has no end", async (t) => {
    const { store, crashed, recover, recorded } = await open(t);
    await crashed("old", [status, start, chunkEvent(1), end]);
    await recover();
    const replaces = (await allMessages(store, sessionId)).map(({ messageId }) => messageId);
    await crashed("edit", [], { type: "edit", replaces });
    await recover();
    const own = (await recorded()).filter(({ turnId }) => turnId === "edit");
    assert.deepEqual(kindsOf(own).toSorted(), ["end", "messages_replaced"]);
    assert.ok(own[0] && "userMessage" in own[0] && own[0].userMessage);
  });

  it("gives them a fresh grace, whatever they were started with", async (t) => {
    const timers = createFakeTimers(t);
    const { queued, recover } = await open(t);
    await queued("runs", { onDisconnect: "continue" });
    for (const [index, onDisconnect] of [undefined, "grace", "cancel"].entries()) {
      await queued(`waits ${index}`, { onDisconnect, createdAt: 2_000 } as Partial<Turn>);
    }
    await queued("stays", { onDisconnect: "continue", createdAt: 3_000 });
    await queued("joined", { onDisconnect: "cancel", createdAt: 3_000, requestId: "r" });
    const { ended, start: send } = await recover({ generate: waitingAfter(), timeouts });
    await settle();
    timers.tick(29_999);
    await settle();
    assert.equal(ended.length, 0);
    const joined = await send({ sessionId, requestId: "r" }, createCall());
    assert.equal(joined.turnId, "joined");
    timers.tick(1);
    await until(() => ended.length === 3);
    await settle();
    assert.deepEqual(ended.map(({ turnId }) => turnId).toSorted(), [
      "waits 0",
      "waits 1",
      "waits 2",
    ]);
    timers.restore();
  });

  it("lets them wait on while the store fails, and runs them when it does not", async (t) => {
    const timers = createFakeTimers(t);
    const { queued, store, log } = await open(t);
    await queued("one");
    const { port, fail, mend } = createFaulty(store);
    fail("acquireTurn");
    const { engine, ended } = await openEngine(t, { store: port, log: unclosed(log) });
    await engine.recover();
    await settle();
    assert.equal(ended.length, 0);
    mend("acquireTurn");
    timers.tick(5_000);
    await until(() => ended.length === 1);
    assert.equal(ended[0]?.finishReason, "stop");
    timers.restore();
  });
});

describe("recovery of a deletion", () => {
  it("finishes it: the log forgets the session", async (t) => {
    const { store, log, crashed, recover } = await open(t);
    await crashed("one", [status, start, chunkEvent(1), end]);
    await recover();
    await store.deleteSession(anonymous, sessionId, 1);
    assert.equal(await log.lastSequence(sessionId), 4);
    await recover();
    assert.equal(await log.lastSequence(sessionId), 0);
  });
});

const timeouts = {
  firstChunkTimeoutMs: 600_000,
  idleChunkTimeoutMs: 600_000,
  turnTimeoutMs: 600_000,
};
const status: NewEvent = {
  type: "status",
  model: "test",
  contextMessages: 1,
  at: 1_000,
  elapsedMs: 0,
};
const thought: NewEvent = {
  type: "chunk",
  text: "hm",
  number: 2,
  thought: true,
  at: 1_040,
  elapsedMs: 40,
};
const start: NewEvent = {
  type: "start",
  model: "test",
  messageId: "one-reply",
  at: 1_030,
  elapsedMs: 30,
};
const end = {
  type: "end",
  finishReason: "stop",
  model: "test",
  messageId: "one-reply",
  usage: {
    inputTokens: 1,
    outputTokens: 2,
    thinkingTokens: 0,
    cachedTokens: 0,
    totalTokens: 3,
    estimated: false,
  },
  totalChunks: 1,
  messageCount: 2,
  firstChunkMs: 30,
  processingMs: 50,
  signature: "sig",
  at: 9_000,
  elapsedMs: 50,
} as const satisfies NewEvent;

function turnQueued(turnId: string): NewEvent {
  const data = { turn_id: turnId, position: 1 };
  const userMessage = { ...createTurn({ turnId }).userMessage, state: "queued" as const };
  const common = { at: 1_000, elapsedMs: 0 };
  return { type: "session_update", updateType: "turn_queued", data, userMessage, ...common };
}

function keyOf(requestId: string): RequestKey {
  return { requestId, fingerprint: fingerprintOf(turnRequest({})) };
}

/** A log that the engines of one test use one after the other. */
function unclosed<Log extends object>(log: Log): Log {
  return { ...log, close: async () => undefined };
}

async function recordedFrom(log: Awaited<ReturnType<typeof openMemoryLog>>, after: number) {
  const events = [];
  const last = await log.lastSequence(sessionId);
  for await (const event of log.read(sessionId, after, new AbortController().signal)) {
    events.push(event);
    if (event.sequence === last) break;
  }
  return events;
}

/** Storage with a session in it, as a crash leaves it. */
async function open(t: TestContext, retention: Parameters<typeof openMemoryLog>[0] = {}) {
  const log = await openMemoryLog(retention);
  const store: Store = createMemoryStore();
  await store.createSession(createSession());
  const queued = async (
    turnId: string,
    turn: Partial<Turn> = {},
    { atHead = false } = {},
    events: readonly NewEvent[] = [],
  ) => {
    await store.createTurn({
      turn: createTurn({ turnId, onDisconnect: "continue", ...turn }),
      atHead,
      queuedTurnsMax: 100,
      ...(turn.requestId && { requestKey: keyOf(turn.requestId) }),
    });
    if (events.length > 0) await log.append({ sessionId, turnId, fence: 0, batch: 1, events });
  };
  return {
    store,
    log,
    recorded: () => recordedEvents(log, sessionId),
    /** A new start of the program on this storage. */
    async recover(options: Parameters<typeof openEngine>[1] = {}) {
      const engine = await openEngine(t, { store, log: unclosed(log), ...options });
      t.after(() => log.close());
      await engine.engine.recover();
      return engine;
    },
    queued,
    /** A turn that was running, of which the log has these events. */
    async crashed(turnId: string, events: readonly NewEvent[], turn: Partial<Turn> = {}) {
      await queued(turnId, turn);
      const acquired = await store.acquireTurn(sessionId, "crashed");
      assert.ok(typeof acquired === "object");
      const { fence } = acquired;
      if (events.length > 0) await log.append({ sessionId, turnId, fence, batch: 1, events });
    },
  };
}
