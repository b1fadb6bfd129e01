import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { ChatError } from "../../../src/chat/errors.ts";
import type { NewEvent } from "../../../src/chat/event.ts";
import { readTurn } from "../../../src/chat/read-turn.ts";
import { createRunningTurn } from "../../../src/chat/running-turn.ts";
import { anonymous } from "../../../src/chat/session.ts";
import { noUsage } from "../../../src/chat/tokens.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import {
  allMessages,
  createFaulty,
  createTurn,
  openEngine,
  openMemoryLog,
  readAll,
  recordedEvents,
  replyText,
} from "../../support/engine.ts";
import { finish, saying, waitingAfter } from "../../support/models.ts";

describe("reading a turn", () => {
  it("tells the end once the store has it and the session is free", async (t) => {
    const { store, start, createSession } = await openEngine(t, { runningTurnsMax: 1 });
    const sessionId = await createSession();
    for (let round = 1; round <= 50; round += 1) {
      const turn = await start({ sessionId });
      for await (const event of turn.events()) {
        if (event.type !== "end") continue;
        // Both were posted before anything else could happen.
        const [next, messages] = await Promise.all([
          start({ sessionId }),
          allMessages(store, sessionId),
        ]);
        const replies = messages.filter(({ role }) => role === "model");
        assert.equal(replies.at(-1)?.messageId, event.messageId);
        assert.equal(replies.length, 2 * round - 1);
        await readAll(next);
      }
    }
  });

  it("tells nothing of the end while the store has not taken it", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { log, start } = await openEngine(t, { store });
    const release = hold("endTurn");
    const turn = await start();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const event of turn.events()) seen.push(event.type);
    })();
    while ((await log.lastSequence(turn.sessionId)) < 4) await loop();
    await loop();
    assert.deepEqual(seen, ["status", "start", "chunk"]);
    release();
    await reading;
    assert.equal(seen.at(-1), "end");
  });

  it("gives the same events to every reader, early or late", async (t) => {
    const { log, start } = await openEngine(t, { generate: saying("a", "b", finish) });
    const turn = await start();
    const early = await Promise.all([readAll(turn), readAll(turn)]);
    const late = await readAll(turn);
    const recorded = await recordedEvents(log, turn.sessionId);
    for (const events of [...early, late]) assert.deepEqual(events, recorded);
  });

  it("gives a second turn's reader nothing of the first, and none of what belongs to no turn", async (t) => {
    const { log, start, answerWith } = await openEngine(t);
    const first = await start();
    await readAll(first);
    const { sessionId } = first;
    const update = { type: "session_update", updateType: "renamed", data: {} } as const;
    answerWith(async function* (request, signal) {
      const events = [{ ...update, at: 1, elapsedMs: 0 }];
      await log.append({ sessionId, turnId: "", fence: 0, batch: 0, events });
      yield* saying("second", finish)(request, signal);
    });
    const second = await start({ sessionId });
    const events = await readAll(second);
    assert.ok(events.every(({ turnId }) => turnId === second.turnId));
    assert.equal(replyText(events), "second");
    // The update lies between STATUS and RESPONSE_START.
    assert.deepEqual(
      events.map(({ sequence }) => sequence),
      [5, 7, 8, 9],
    );
  });

  it("throws the call's reason as soon as that aborts, also while it waits for the end", async () => {
    const { log, store, live, turn } = await openTurn();
    const call = new AbortController();
    const reading = readTurn({ store, log, live, after: 0, call: call.signal })[
      Symbol.asyncIterator
    ]();
    const { turnId, sessionId } = turn;
    const events = [interruptedEnd];
    await log.append({ sessionId, turnId, fence: 1, batch: 1, events });
    const end = reading.next();
    await loop();
    const reason = new Error("left");
    call.abort(reason);
    await assert.rejects(end, reason);
    assert.equal(getEventListeners(call.signal, "abort").length, 0);
    await log.close();
  });

  it("throws what readers are to be told when the log has failed", async () => {
    const { log, store, live } = await openTurn();
    const call = new AbortController().signal;
    const reading = readTurn({ store, log, live, after: 0, call })[Symbol.asyncIterator]();
    const next = reading.next();
    const fault = new ChatError("unavailable", "STORAGE_UNAVAILABLE", "full");
    live.fail(fault);
    await assert.rejects(next, fault);
    await log.close();
  });

  it("says that the session is gone when it was deleted, and else that the server stopped", async () => {
    const { log, store, live } = await openTurn();
    const call = new AbortController().signal;
    const read = () =>
      readTurn({ store, log, live, after: 0, call })[Symbol.asyncIterator]().next();
    const stopped = read();
    await loop();
    await log.close();
    await assert.rejects(stopped, { kind: "unavailable", reason: "SERVER_STOPPED" });
    await store.deleteSession(anonymous, live.turn.sessionId);
    await assert.rejects(read(), { kind: "not_found", reason: "SESSION_NOT_FOUND" });
  });

  it("tells a slow reader of a deleted session that it is gone", async (t) => {
    const { engine, start } = await openEngine(t, { generate: waitingAfter("a") });
    const turn = await start();
    const reading = turn.events()[Symbol.asyncIterator]();
    await reading.next();
    await engine.deleteSession(anonymous, turn.sessionId);
    await assert.rejects(reading.next(), { reason: "SESSION_NOT_FOUND" });
  });

  it("leaves nothing on the call when its reader goes away in the middle", async (t) => {
    const { engine, call, start } = await openEngine(t, { generate: waitingAfter("a") });
    const turn = await start();
    for await (const event of turn.events()) if (event.type === "chunk") break;
    await engine.cancelTurn(anonymous, turn.sessionId, turn.turnId);
    assert.equal(getEventListeners(call.signal, "abort").length, 0);
  });
});

const interruptedEnd: NewEvent = {
  type: "end",
  finishReason: "interrupted",
  model: "test",
  messageId: "turn-reply",
  usage: noUsage,
  totalChunks: 0,
  messageCount: 1,
  processingMs: 0,
  at: 1,
  elapsedMs: 0,
};

async function loop(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** A turn that nobody runs, in storage of its own. */
async function openTurn() {
  const log = await openMemoryLog();
  const store = createMemoryStore();
  const turn = createTurn();
  await store.createTurn({
    turn,
    session: {
      sessionId: turn.sessionId,
      principal: anonymous,
      model: "test",
      title: "",
      systemInstruction: "",
      generation: {},
      metadata: {},
      createdAt: 1,
      updatedAt: 1,
    },
  });
  return { log, store, turn, live: createRunningTurn(turn, "continue") };
}
