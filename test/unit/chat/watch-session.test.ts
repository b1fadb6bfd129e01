import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { localCaller } from "../../../src/chat/caller.ts";
import { anonymous } from "../../../src/chat/session.ts";
import type { Watched } from "../../../src/chat/watch-session.ts";
import { callerOf } from "../../support/caller.ts";
import { createCall } from "../../support/calls.ts";
import {
  createSession,
  kindsOf,
  openEngine,
  openMemoryLog,
  take,
  watchRequest,
} from "../../support/engine.ts";
import { createFaulty } from "../../support/faults.ts";
import { settle, until } from "../../support/loops.ts";
import { finish, saying, waitingAfter } from "../../support/models.ts";

describe("watching a session", () => {
  it("says where it stands, replays what came after the cursor, says live, and goes on", async (t) => {
    const { ask, recorded, watch, createSession, start } = await openEngine(t);
    const sessionId = await createSession();
    await ask({ sessionId });
    const before = await recorded(sessionId);
    const watching = watch({ sessionId, afterSequence: 1 });
    const [first, ...replayed] = await take(watching, 5);
    const state = { epoch: 1, running_turn_id: "", queued_turn_ids: [] };
    assert.deepEqual(first, liveUpdate(sessionId, "watching", { last_sequence: 4, ...state }));
    assert.deepEqual(replayed.slice(0, 3), before.slice(1));
    assert.deepEqual(replayed[3], liveUpdate(sessionId, "live", { last_sequence: 4, ...state }));
    const rest = take(watching, 4);
    await start({ sessionId });
    assert.deepEqual(await rest, (await recorded(sessionId)).slice(4));
  });

  it("tells what runs and what waits", async (t) => {
    const { start, watch } = await openEngine(t, { generate: waitingAfter() });
    const { sessionId, turnId } = await start();
    const waiting = await start({ sessionId });
    const [watching] = await take(watch({ sessionId, afterSequence: 1 }), 1);
    assert.ok(watching?.type === "live_update");
    const { running_turn_id, queued_turn_ids } = watching.data;
    assert.deepEqual([running_turn_id, queued_turn_ids], [turnId, [waiting.turnId]]);
  });

  it("delivers every recorded event, of all turns and of none, to each watcher at its pace", async (t) => {
    const { engine, ask, watch, createSession, recorded } = await openEngine(t);
    const sessionId = await createSession();
    const [fast, slow] = [watch({ sessionId }), watch({ sessionId })];
    await take(fast, 2);
    const reading = take(fast, 9);
    await take(slow, 1);
    await ask({ sessionId });
    await engine.updateSession(anonymous, sessionId, { title: "new" }, "");
    await ask({ sessionId });
    const all = await recorded(sessionId);
    assert.deepEqual(await reading, all);
    assert.deepEqual((await take(slow, 10)).slice(1), all);
  });

  it("refuses a cursor that is ahead, and one of another epoch", async (t) => {
    const { ask, watch, createSession } = await openEngine(t);
    const sessionId = await createSession();
    await ask({ sessionId });
    await assert.rejects(watch({ sessionId, afterSequence: 5 }).next(), {
      kind: "out_of_range",
      reason: "SEQUENCE_OUT_OF_RANGE",
      metadata: { last_sequence: "4", epoch: "1" },
    });
    await assert.rejects(watch({ sessionId, afterSequence: 1, afterEpoch: 2 }).next(), {
      kind: "data_loss",
      reason: "EPOCH_CHANGED",
      metadata: { epoch: "1" },
    });
    const [watching] = await take(watch({ sessionId, afterSequence: 4, afterEpoch: 1 }), 1);
    assert.deepEqual(kindsOf(watching ? [watching] : []), ["watching"]);
  });

  it("refuses another principal, and an unknown session", async (t) => {
    const { engine, watch, createSession } = await openEngine(t);
    const sessionId = await createSession();
    const missing = { kind: "not_found", reason: "SESSION_NOT_FOUND" };
    await assert.rejects(watch({ sessionId: "none" }).next(), missing);
    const theirs = engine.watchSession(
      callerOf("other"),
      watchRequest({ sessionId }),
      createCall(),
    );
    await assert.rejects(theirs[Symbol.asyncIterator]().next(), missing);
  });

  it("has room for so many watchers, also when they come at once", async (t) => {
    const { watch, createSession } = await openEngine(t, { watchersMax: 2 });
    const sessionId = await createSession();
    const calls = [createCall(), createCall(), createCall()];
    const results = await Promise.allSettled(
      calls.map((call) => watch({ sessionId }, call).next()),
    );
    assert.deepEqual(
      results.map(({ status }) => status),
      ["fulfilled", "fulfilled", "rejected"],
    );
    const full = { kind: "resource_exhausted", reason: "TOO_MANY_WATCHERS", retryable: true };
    await assert.rejects(watch({ sessionId }).next(), full);
    calls[0]?.lose();
    await watch({ sessionId }, createCall()).next();
  });

  it("until idle ends when nothing runs or waits, and at once where nothing does", async (t) => {
    const { start, read, watch, cancel, answerWith, createSession } = await openEngine(t);
    const sessionId = await createSession();
    const idle = await Array.fromAsync(watch({ sessionId, untilIdle: true }));
    assert.deepEqual(kindsOf(idle), ["watching", "live"]);
    answerWith(waitingAfter());
    const first = await start({ sessionId });
    const second = await start({ sessionId });
    const third = await start({ sessionId });
    const watching = Array.fromAsync(watch({ sessionId, untilIdle: true }));
    await cancel(sessionId, third.turnId);
    answerWith(saying("ok", finish));
    await cancel(sessionId, first.turnId);
    const seen = await watching;
    assert.equal(seen.filter(({ type }) => type === "end").length, 3);
    assert.ok(seen.at(-1)?.type === "end");
    await read(second);
    const replayed = await Array.fromAsync(watch({ sessionId, untilIdle: true }));
    assert.deepEqual(replayed.filter(isRecorded), seen.filter(isRecorded));
  });

  it("tells when somebody types, and records nothing of it", async (t) => {
    const { engine, watch, createSession, log } = await openEngine(t);
    const sessionId = await createSession();
    const watching = watch({ sessionId });
    await take(watching, 2);
    const updates = take(watching, 2);
    await settle();
    await engine.tellTyping(anonymous, sessionId, true);
    await engine.tellTyping(anonymous, sessionId, false);
    assert.deepEqual(await updates, [
      liveUpdate(sessionId, "typing_started", {}),
      liveUpdate(sessionId, "typing_stopped", {}),
    ]);
    assert.equal(await log.lastSequence(sessionId), 0);
    await assert.rejects(engine.tellTyping("other", sessionId, true), { kind: "not_found" });
  });

  it("ends NOT_FOUND after session_deleted", async (t) => {
    const { engine, start, watch } = await openEngine(t, { generate: waitingAfter("a ") });
    const { sessionId } = await start();
    await start({ sessionId });
    const seen: Watched[] = [];
    const watching = (async () => {
      for await (const event of watch({ sessionId })) seen.push(event);
    })();
    await settle();
    await Promise.all([
      assert.rejects(watching, { kind: "not_found", reason: "SESSION_NOT_FOUND" }),
      engine.deleteSession(anonymous, sessionId),
    ]);
    const recorded = kindsOf(seen.filter(isRecorded));
    assert.deepEqual(recorded, [
      "status",
      "turn_queued",
      "start",
      "chunk",
      "end",
      "end",
      "session_deleted",
    ]);
  });

  it("that lasts until nothing runs ends NOT_FOUND where a deletion has brought that about", async (t) => {
    const { engine, start, watch } = await openEngine(t, { generate: waitingAfter("a") });
    const { sessionId } = await start();
    const watching = Array.fromAsync(watch({ sessionId, untilIdle: true }));
    await settle();
    await Promise.all([
      assert.rejects(watching, { kind: "not_found", reason: "SESSION_NOT_FOUND" }),
      engine.deleteSession(anonymous, sessionId),
    ]);
  });

  it("tells of a drain, and ends when the log closes", async (t) => {
    const { engine, log, watch, createSession } = await openEngine(t);
    const sessionId = await createSession();
    const watching = watch({ sessionId });
    await take(watching, 2);
    const draining = take(watching, 1);
    engine.drain();
    assert.deepEqual(await draining, [liveUpdate(sessionId, "draining", { last_sequence: 0 })]);
    // One that comes now is told too.
    const late = await take(watch({ sessionId }), 3);
    assert.ok(kindsOf(late).includes("draining"));
    const next = watching.next();
    await engine.close(0);
    await log.close();
    await assert.rejects(next, { kind: "unavailable", retryable: true });
  });

  it("is told when the storage fails under a turn, and may come again", async (t) => {
    const { port: log, fail, mend } = createFaulty(await openMemoryLog());
    const { start, watch, cancel, recorded, ended } = await openEngine(t, {
      log,
      generate: waitingAfter("a"),
    });
    const { sessionId } = await start();
    const watching = watch({ sessionId });
    await until(async () => (await recorded(sessionId)).length === 3);
    await take(watching, 5);
    const next = watching.next();
    await settle();
    fail("append");
    const unavailable = { kind: "unavailable", reason: "STORAGE_UNAVAILABLE" };
    const calls = [next, cancel(sessionId)];
    await Promise.all(calls.map((call) => assert.rejects(call, unavailable)));
    mend("append");
    await until(() => ended.length === 1);
    const rest = await Array.fromAsync(watch({ sessionId, afterSequence: 3, untilIdle: true }));
    assert.deepEqual(kindsOf(rest), ["watching", "end", "live"]);
  });

  it("keeps no turn from being cancelled when it ends, and nothing of itself", async (t) => {
    const { call, watch, createSession } = await openEngine(t);
    const sessionId = await createSession();
    const own = createCall();
    const watching = watch({ sessionId, sessionList: true }, own);
    await take(watching, 2);
    const next = watching.next();
    const reason = new Error("left");
    own.lose(reason);
    await assert.rejects(next, reason);
    await settle();
    assert.deepEqual([own.listeners(), call.listeners()], [0, 0]);
  });
});

describe("watching the list of sessions", () => {
  it("tells what happens to the principal's sessions, and of no other's", async (t) => {
    const { engine, watch, createSession, ask } = await openEngine(t);
    const updates = watch({ sessionList: true });
    await take(updates, 1);
    const seen: Watched[] = [];
    const reading = (async () => {
      for await (const update of updates) {
        seen.push(update);
        if (kindsOf(seen).filter((kind) => kind === "session_deleted").length === 2) return;
      }
    })();
    await engine.createSession(callerOf("other"), { ...settingsOf("theirs") });
    const sessionId = await createSession();
    await engine.updateSession(anonymous, sessionId, { title: "new" }, "");
    await ask({ sessionId });
    const fork = await engine.forkSession(localCaller, {
      sessionId,
      upToMessageId: "",
      title: "",
      requestId: "",
    });
    await engine.deleteSession(anonymous, sessionId);
    await engine.deleteSession(anonymous, fork.sessionId);
    await reading;
    assert.deepEqual(kindsOf(seen), [
      "session_created",
      "session_changed",
      "session_running",
      "session_idle",
      "session_created",
      "session_deleted",
      "session_deleted",
    ]);
    assert.ok(
      seen.every(
        (update) => update.type === "live_update" && update.data.session_id === update.sessionId,
      ),
    );
  });

  it("ends a watcher that does not keep up, and no other", async (t) => {
    const { engine, watch, createSession } = await openEngine(t);
    const sessionId = await createSession();
    const [slow, fast] = [watch({ sessionId }), watch({ sessionId })];
    await take(slow, 2);
    await take(fast, 2);
    let kept = 0;
    const reading = (async () => {
      for await (const _update of fast) {
        kept += 1;
        if (kept === 1_200) return;
      }
    })();
    for (let count = 0; count < 1_200; count += 1) {
      await engine.tellTyping(anonymous, sessionId, true);
    }
    await reading;
    await assert.rejects(take(slow, 1_200), { kind: "resource_exhausted", reason: "TOO_SLOW" });
  });
});

describe("a session whose log is behind what the store knows", () => {
  it("goes on in a new epoch, behind every sequence that was given", async (t) => {
    const { store, log, ask } = await openEngine(t);
    const [{ turnId, sequence } = assert.fail("no event")] = await ask({ requestId: "r" });
    assert.deepEqual([sequence, turnId !== ""], [1, true]);
    const [session = assert.fail("no session")] = (
      await store.listSessions(anonymous, { pageSize: 1, pageToken: "", query: "" })
    ).items;
    const { sessionId } = session;
    await log.close();

    const second = await openEngine(t, { store });
    const old = { sessionId, afterSequence: 4, afterEpoch: 1 };
    await assert.rejects(second.watch(old).next(), {
      reason: "EPOCH_CHANGED",
      metadata: { epoch: "2" },
    });
    const { lastSequence, epoch } = await second.engine.getSession(anonymous, sessionId);
    assert.deepEqual([lastSequence, epoch], [4, 2]);
    const [first] = await second.ask({ sessionId });
    assert.equal(first?.sequence, 5);
    // What the store still has is told again.
    const seen = second.watch({ sessionId, afterEpoch: 2, untilIdle: true });
    const recorded = (await Array.fromAsync(seen)).filter(isRecorded);
    assert.deepEqual(
      recorded.map((event) => event.sequence),
      [1, 2, 3, 4, 5, 6, 7, 8],
    );
  });

  it("has one new epoch, however many come at once", async (t) => {
    const { store, log, start, read } = await openEngine(t);
    const turn = await start();
    await read(turn);
    await log.close();
    const { sessionId } = turn;
    const { engine, watch } = await openEngine(t, { store });
    const epochs = await Promise.all([
      engine.getSession(anonymous, sessionId).then(({ epoch }) => epoch),
      engine.listMessages(anonymous, sessionId, page).then(({ epoch }) => epoch),
      watch({ sessionId })
        .next()
        .then(({ value }) => value.data.epoch),
      watch({ sessionId })
        .next()
        .then(({ value }) => value.data.epoch),
    ]);
    assert.deepEqual(epochs, [2, 2, 2, 2]);
  });
});

const page = { pageSize: 50, pageToken: "", newestFirst: false, includeReplaced: false };

function settingsOf(title: string) {
  const { systemInstruction, generation, metadata } = createSession();
  return { modelId: "", title, systemInstruction, generation, metadata, requestId: "" };
}

function liveUpdate(sessionId: string, updateType: string, data: object) {
  return { type: "live_update", sessionId, updateType, data };
}

function isRecorded(event: Watched): event is Extract<Watched, { sequence: number }> {
  return event.type !== "live_update";
}
