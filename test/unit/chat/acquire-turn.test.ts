import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { acquireTurn } from "../../../src/chat/acquire-turn.ts";
import { systemClock } from "../../../src/chat/clock.ts";
import { ChatError } from "../../../src/chat/errors.ts";
import { anonymous, type Session } from "../../../src/chat/session.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import {
  allMessages,
  createFaulty,
  createTurn,
  endOf,
  openEngine,
  openMemoryLog,
  readAll,
  recordedEvents,
} from "../../support/engine.ts";
import { textPart } from "../../support/models.ts";

const session: Session = {
  sessionId: "session",
  principal: anonymous,
  model: "test",
  title: "",
  systemInstruction: "",
  generation: {},
  metadata: {},
  createdAt: 1,
  updatedAt: 1,
};

describe("acquiring a turn", () => {
  it("makes it durable and running, with the session that it opens", async (t) => {
    const { store, acquire } = await open(t);
    const { turn, fence } = await acquire("one", session);
    assert.equal(turn.turnId, "one");
    const unfinished = await store.unfinishedTurns();
    assert.deepEqual(unfinished, [{ turn, state: "running", fence }]);
  });

  it("refuses it while another runs, and leaves nothing of it behind", async (t) => {
    const { store, acquire } = await open(t);
    await acquire("one", session);
    await assert.rejects(acquire("two"), { reason: "SESSION_BUSY" });
    assert.equal((await store.unfinishedTurns()).length, 1);
    assert.equal((await allMessages(store, session.sessionId)).length, 1);
  });

  for (const method of ["createTurn", "acquireTurn"] as const) {
    it(`leaves nothing behind when ${method} fails, not even the session that it opens`, async (t) => {
      const { store, acquire, faults } = await open(t);
      faults.fail(method);
      await assert.rejects(acquire("one", session), { reason: "STORAGE_UNAVAILABLE" });
      faults.mend(method);
      assert.deepEqual(await store.unfinishedTurns(), []);
      assert.equal(await store.countSessions(anonymous), 0);
    });
  }

  it("throws what the store says of an unknown session", async (t) => {
    const { acquire } = await open(t);
    await assert.rejects(acquire("one"), { kind: "not_found", reason: "SESSION_NOT_FOUND" });
  });

  it("minds no store that takes the two in the other order", async (t) => {
    const { acquire, faults } = await open(t);
    const release = faults.hold("createTurn");
    const acquired = acquire("one", session);
    await new Promise((resolve) => setImmediate(resolve));
    release();
    assert.equal((await acquired).turn.turnId, "one");
  });

  it("ends what a failed start has left, and gives the turn that was asked for", async (t) => {
    const { store, log, acquire, faults } = await open(t);
    await store.createSession(session);
    for (const method of ["acquireTurn", "discardQueuedTurn"] as const) faults.fail(method);
    await assert.rejects(acquire("left"), { reason: "STORAGE_UNAVAILABLE" });
    for (const method of ["acquireTurn", "discardQueuedTurn"] as const) faults.mend(method);

    const { turn } = await acquire("asked");
    assert.equal(turn.turnId, "asked");
    const end = endOf(await recordedEvents(log, session.sessionId));
    assert.deepEqual([end.turnId, end.finishReason], ["left", "interrupted"]);
    const states = (await store.unfinishedTurns()).map((one) => [one.turn.turnId, one.state]);
    assert.deepEqual(states, [["asked", "running"]]);
  });

  it("answers the message that was sent, after a start that failed half way", async (t) => {
    const { port: store, fail, mend } = createFaulty(createMemoryStore());
    const { start, createSession, texts } = await openEngine(t, { store });
    const sessionId = await createSession();
    const broken = new ChatError("unavailable", "STORAGE_UNAVAILABLE", "gone");
    for (const method of ["acquireTurn", "discardQueuedTurn"] as const) fail(method, broken);
    await assert.rejects(start({ sessionId, parts: [textPart("first")] }), broken);
    for (const method of ["acquireTurn", "discardQueuedTurn"] as const) mend(method);
    const turn = await start({ sessionId, parts: [textPart("second")] });
    const events = await readAll(turn);
    assert.equal(endOf(events).finishReason, "stop");
    const [status] = events;
    assert.ok(status?.type === "status");
    assert.deepEqual(status.userMessage?.parts, [textPart("second")]);
    assert.deepEqual(await texts(sessionId), ["user: first", "user: second", "model: Hello"]);
  });
});

async function open(t: { after(close: () => Promise<void>): void }) {
  const log = await openMemoryLog();
  t.after(() => log.close());
  const store = createMemoryStore();
  const { port, ...faults } = createFaulty(store);
  const options = { store: port, log, clock: systemClock, owner: "test" };
  const acquire = (turnId: string, opens?: Session) =>
    acquireTurn(options, { turn: createTurn({ turnId }), ...(opens && { session: opens }) });
  return { store, log, acquire, faults };
}
