import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { anonymous } from "../../../src/chat/session.ts";
import { endUnlessStuck } from "../../../src/chat/stuck-turn.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { endOf, openEngine, openMemoryLog, recordedEvents, take } from "../../support/engine.ts";
import { createFaulty } from "../../support/faults.ts";
import { settle, until } from "../../support/loops.ts";
import { finish, saying, textPart, waitingAfter } from "../../support/models.ts";

const unavailable = { kind: "unavailable", reason: "STORAGE_UNAVAILABLE", retryable: true };

type Store = ReturnType<typeof createMemoryStore>;
type Log = Awaited<ReturnType<typeof openMemoryLog>>;

const storeWrites = [
  "createTurn",
  "acquireTurn",
  "endTurn",
  "withdrawTurn",
  "updateSession",
  "deleteSession",
] as const satisfies (keyof Store)[];
const logWrites = ["append", "drop"] as const satisfies (keyof Log)[];

/** A session in which a turn has begun to answer, on a disk that a test can fill. */
async function openOnDisk(t: TestContext) {
  const store = createFaulty(createMemoryStore());
  const log = createFaulty(await openMemoryLog());
  const opened = await openEngine(t, {
    store: store.port,
    log: log.port,
    generate: waitingAfter("Hel"),
  });
  const turn = await opened.start();
  const events = opened.readTurn(turn);
  await take(events, 3);
  return {
    ...opened,
    store,
    log,
    turn,
    events,
    fill() {
      for (const method of storeWrites) store.fail(method);
      for (const method of logWrites) log.fail(method);
    },
    free() {
      for (const method of storeWrites) store.mend(method);
      for (const method of logWrites) log.mend(method);
    },
  };
}

type Disk = Awaited<ReturnType<typeof openOnDisk>>;

/** What a caller may do to a session whose turn waits for the storage. */
const calls: Readonly<Record<string, (disk: Disk) => Promise<unknown>>> = {
  CancelTurn: ({ cancel, turn }) => cancel(turn.sessionId, turn.turnId),
  DeleteSession: ({ engine, turn }) => engine.deleteSession(anonymous, turn.sessionId),
  UpdateSession: ({ engine, turn }) =>
    engine.updateSession(anonymous, turn.sessionId, { title: "New" }, ""),
  "a message that waits": ({ start, turn }) => start({ sessionId: turn.sessionId }),
  "a message that interrupts": ({ start, turn }) =>
    start({ sessionId: turn.sessionId, onBusy: "interrupt" }),
  "a CONTINUE": ({ start, turn }) => start({ sessionId: turn.sessionId, type: "continue" }),
};

describe("while a turn waits for the storage", () => {
  for (const [name, call] of Object.entries(calls)) {
    it(`${name} is refused at once, and changes nothing later`, async (t) => {
      const disk = await openOnDisk(t);
      const { engine, turn, ended, cancel, texts, fill, free } = disk;
      fill();
      await assert.rejects(cancel(turn.sessionId), unavailable);
      await assert.rejects(disk.events.next(), unavailable);
      await assert.rejects(call(disk), unavailable);
      await assert.rejects(call(disk), unavailable);
      free();
      await until(() => ended.length === 1);
      await settle();
      const { title, queuedTurnIds } = await engine.getSession(anonymous, turn.sessionId);
      assert.deepEqual([title, queuedTurnIds], ["", []]);
      assert.deepEqual(await texts(turn.sessionId), ["user: Hi", "[partial] model: Hel"]);
    });
  }

  it("a change is refused too where the store takes it, and the log alone does not", async (t) => {
    const disk = await openOnDisk(t);
    const { engine, turn, log, store, cancel } = disk;
    log.fail("append");
    await assert.rejects(cancel(turn.sessionId), unavailable);
    store.calls.length = 0;
    for (const call of Object.values(calls)) await assert.rejects(call(disk), unavailable);
    assert.deepEqual(
      store.calls.filter((name) => storeWrites.some((write) => write === name)),
      [],
    );
    assert.equal((await engine.getSession(anonymous, turn.sessionId)).title, "");
    log.mend("append");
    await until(() => disk.ended.length === 1);
  });

  it("the request sent again is refused where its end is recorded and not stored", async (t) => {
    const { port: store, fail, mend } = createFaulty(createMemoryStore());
    const { start, read, ended, answerWith } = await openEngine(t, { store });
    answerWith(saying("Hello", finish));
    fail("endTurn");
    const turn = await start({ requestId: "r" });
    await assert.rejects(read(turn), unavailable);
    await assert.rejects(start({ requestId: "r" }), unavailable);
    mend("endTurn");
    await until(() => ended.length === 1);
    assert.equal(endOf(await read(await start({ requestId: "r" }))).finishReason, "stop");
  });
});

describe("a storage that fails under the call", () => {
  it("fails a deletion, which has cancelled the turn: the session is there and free", async (t) => {
    const disk = await openOnDisk(t);
    const { engine, turn, ended, fill, free, answerWith, ask, texts } = disk;
    fill();
    await assert.rejects(engine.deleteSession(anonymous, turn.sessionId), unavailable);
    await assert.rejects(disk.events.next(), unavailable);
    free();
    await until(() => ended.length === 1);
    assert.equal(ended[0]?.finishReason, "cancelled");
    answerWith(saying("ok", finish));
    await ask({ sessionId: turn.sessionId, parts: [textPart("On")] });
    const kept = ["user: Hi", "[partial] model: Hel", "user: On", "model: ok"];
    assert.deepEqual(await texts(turn.sessionId), kept);
    await engine.deleteSession(anonymous, turn.sessionId);
  });

  it("fails the cancel of a turn that waits, whose one end follows", async (t) => {
    const { engine, log, turn, start, cancel, ended } = await openOnDisk(t);
    const { sessionId } = turn;
    const { turnId } = await start({ sessionId });
    log.fail("append");
    await assert.rejects(cancel(sessionId, turnId), unavailable);
    await assert.rejects(cancel(sessionId, turnId), unavailable);
    await assert.rejects(engine.deleteSession(anonymous, sessionId), unavailable);
    log.mend("append");
    await until(() => ended.length === 1);
    await cancel(sessionId);
    const events = await recordedEvents(log.port, sessionId);
    const ends = events.filter((event) => event.type === "end" && event.turnId === turnId);
    assert.equal(ends.length, 1);
  });
});

describe("waiting for a turn's end", () => {
  it("gives the end of a turn that had waited for the storage, and nothing for one given up", async () => {
    const fault = AbortSignal.abort(new Error("full"));
    for (const end of [undefined, { turnId: "turn" } as never]) {
      assert.equal(await endUnlessStuck({ ended: Promise.resolve(end), fault }), end);
    }
  });

  it("leaves no listener", async (t) => {
    const { signal: fault } = new AbortController();
    const added = t.mock.method(fault, "addEventListener");
    const removed = t.mock.method(fault, "removeEventListener");
    await endUnlessStuck({ ended: Promise.resolve(undefined), fault });
    assert.deepEqual([added.mock.callCount(), removed.mock.callCount()], [1, 1]);
  });
});
