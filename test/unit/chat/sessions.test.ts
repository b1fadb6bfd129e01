import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { localCaller } from "../../../src/chat/caller.ts";
import { anonymous } from "../../../src/chat/session.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { callerOf } from "../../support/caller.ts";
import { kindsOf, newSession, openEngine, openMemoryLog, take } from "../../support/engine.ts";
import { createFaulty } from "../../support/faults.ts";
import { settle, until } from "../../support/loops.ts";
import { finish, saying, textPart, waitingAfter } from "../../support/models.ts";

const missing = { kind: "not_found", reason: "SESSION_NOT_FOUND" };
const fork = { upToMessageId: "", title: "", requestId: "" };

describe("creating a session", () => {
  it("gives its settings to its turns, and a turn's own go before them", async (t) => {
    const requests: unknown[] = [];
    const { ask, createSession } = await openEngine(t, {
      generate: (request, signal) => {
        const { systemInstruction, generation } = request;
        requests.push({ systemInstruction, generation });
        return saying("a", finish)(request, signal);
      },
    });
    const generation = { topK: 3, seed: 1 };
    const sessionId = await createSession({ systemInstruction: "always", generation });
    await ask({ sessionId });
    await ask({ sessionId, systemInstruction: "now", generation: { seed: 2 } });
    assert.deepEqual(requests, [
      { systemInstruction: "always", generation: { topK: 3, seed: 1 } },
      { systemInstruction: "now", generation: { topK: 3, seed: 2 } },
    ]);
  });

  it("again with the same key gives the same session, also when two race", async (t) => {
    const { engine } = await openEngine(t);
    const create = (title: string) =>
      engine.createSession(localCaller, newSession({ title, requestId: "r" }));
    const [one, other] = await Promise.all([create("a"), create("a")]);
    assert.deepEqual(await create("a"), one);
    assert.equal(one.sessionId, other.sessionId);
    assert.equal(engine.stats().sessionsCreated, 1);
    const reused = { kind: "already_exists", reason: "REQUEST_ID_REUSED" };
    await assert.rejects(create("b"), reused);
    await engine.deleteSession(anonymous, one.sessionId);
    await assert.rejects(create("a"), { kind: "not_found" });
  });

  it("with an unknown model is refused", async (t) => {
    const { engine } = await openEngine(t);
    const unknown = engine.createSession(localCaller, newSession({ modelId: "none" }));
    await assert.rejects(unknown, { reason: "MODEL_UNKNOWN" });
    assert.equal(await engine.countSessions(localCaller), 0);
  });
});

describe("updating a session", () => {
  it("changes what is given, tells its readers, and gives a new etag", async (t) => {
    const { engine, watch, createSession } = await openEngine(t);
    const sessionId = await createSession({ title: "old", systemInstruction: "always" });
    const { etag } = await engine.getSession(anonymous, sessionId);
    const watching = watch({ sessionId });
    await take(watching, 2);
    const next = watching.next();
    const changed = await engine.updateSession(anonymous, sessionId, { title: "new" }, etag);
    assert.notEqual(changed.etag, etag);
    assert.deepEqual([changed.title, changed.systemInstruction], ["new", "always"]);
    const { value: event } = await next;
    assert.ok(event.type === "session_update");
    const data = { fields: ["title"], title: "new", model: "test", etag: changed.etag };
    assert.deepEqual([event.updateType, event.data, event.sequence], ["session_changed", data, 1]);
  });

  it("is refused where the session has changed meanwhile, and then changes nothing", async (t) => {
    const { engine, createSession, log } = await openEngine(t);
    const sessionId = await createSession();
    const { etag } = await engine.getSession(anonymous, sessionId);
    const update = (title: string, of = etag) =>
      engine.updateSession(anonymous, sessionId, { title }, of);
    const results = await Promise.allSettled([update("one"), update("two")]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ["fulfilled", "rejected"],
    );
    await assert.rejects(update("three"), { kind: "aborted", reason: "ETAG_MISMATCH" });
    const unknown = engine.updateSession(anonymous, sessionId, { modelId: "none" }, "");
    await assert.rejects(unknown, { reason: "MODEL_UNKNOWN" });
    await assert.rejects(engine.updateSession("other", sessionId, { title: "x" }, ""), missing);
    assert.equal((await engine.getSession(anonymous, sessionId)).title, "one");
    assert.equal(await log.lastSequence(sessionId), 1);
  });

  it("that changes nothing is told to nobody and keeps the etag", async (t) => {
    const { engine, createSession, log } = await openEngine(t);
    const sessionId = await createSession({ title: "same", generation: { topK: 1, seed: 2 } });
    const { etag, updatedAt } = await engine.getSession(anonymous, sessionId);
    const same = {
      title: "same",
      systemInstruction: "",
      generation: { seed: 2, topK: 1 },
      metadata: {},
      modelId: "test",
    };
    for (const [changes, of] of [
      [same, etag],
      [same, ""],
      [{}, etag],
      [{}, ""],
    ] as const) {
      const session = await engine.updateSession(anonymous, sessionId, changes, of);
      assert.deepEqual([session.etag, session.updatedAt], [etag, updatedAt]);
    }
    assert.equal(await log.lastSequence(sessionId), 0);
    for (const changes of [same, {}]) {
      const other = engine.updateSession(anonymous, sessionId, changes, "other");
      await assert.rejects(other, { kind: "aborted", reason: "ETAG_MISMATCH" });
    }
  });

  it("tells of the fields alone that are different now", async (t) => {
    const { engine, createSession, recorded } = await openEngine(t);
    const sessionId = await createSession({ title: "same" });
    const changes = { title: "same", metadata: { colour: "red" } };
    const { metadata } = await engine.updateSession(anonymous, sessionId, changes, "");
    assert.deepEqual(metadata, { colour: "red" });
    const [event] = await recorded(sessionId);
    assert.ok(event?.type === "session_update");
    assert.deepEqual(event.data.fields, ["metadata"]);
  });

  it("leaves turns that have started alone", async (t) => {
    const { engine, start, recorded, createSession } = await openEngine(t, {
      generate: waitingAfter(),
    });
    const sessionId = await createSession();
    await start({ sessionId });
    await engine.updateSession(anonymous, sessionId, { systemInstruction: "new" }, "");
    assert.equal(engine.runningTurns(), 1);
    assert.deepEqual(kindsOf(await recorded(sessionId)), ["status", "session_changed"]);
  });
});

describe("forking a session", () => {
  it("copies its settings and its history, and is a session of its own", async (t) => {
    const { engine, store, ask, texts, createSession, answerWith } = await openEngine(t);
    const sessionId = await createSession({ title: "old", systemInstruction: "always" });
    await ask({ sessionId, requestId: "r", parts: [textPart("1")] });
    answerWith(saying("two", finish));
    await ask({ sessionId, parts: [textPart("2")] });
    const copy = await engine.forkSession(localCaller, { sessionId, ...fork });
    assert.deepEqual(
      [copy.title, copy.systemInstruction, copy.forkedFromSessionId, copy.usage.totalTokens],
      ["old", "always", sessionId, 0],
    );
    assert.deepEqual(await texts(copy.sessionId), await texts(sessionId));
    const [question] = (await store.listMessages(anonymous, sessionId, page)).items;
    const upTo = await engine.forkSession(localCaller, {
      sessionId,
      ...fork,
      upToMessageId: question?.messageId ?? "",
      title: "new",
    });
    assert.deepEqual([upTo.title, await texts(upTo.sessionId)], ["new", ["user: 1"]]);

    const given: number[] = [];
    answerWith((request, signal) => {
      given.push(request.messages.length);
      return saying("three", finish)(request, signal);
    });
    const [first] = await ask({ sessionId: copy.sessionId, requestId: "new" });
    assert.deepEqual([first?.sequence, given], [1, [5]]);
    assert.equal((await texts(sessionId)).length, 4);
  });

  it("leaves out what runs, what waits and what was replaced", async (t) => {
    const { engine, start, ask, texts, createSession, answerWith } = await openEngine(t);
    const sessionId = await createSession();
    await ask({ sessionId, parts: [textPart("1")] });
    answerWith(saying("again", finish));
    await ask({ sessionId, type: "regenerate", parts: [] });
    answerWith(waitingAfter("par"));
    await start({ sessionId, parts: [textPart("runs")] });
    await start({ sessionId, parts: [textPart("waits")] });
    const copy = await engine.forkSession(localCaller, { sessionId, ...fork });
    assert.deepEqual((await texts(copy.sessionId)).slice(0, 2), ["user: 1", "model: again"]);
    assert.ok(!(await texts(copy.sessionId)).some((text) => text.includes("waits")));
    assert.deepEqual([copy.runningTurnId, copy.queuedTurnIds], ["", []]);
  });

  it("again with the same key gives the same fork, and is refused for what is not there", async (t) => {
    const { engine, createSession } = await openEngine(t);
    const sessionId = await createSession();
    const make = () => engine.forkSession(localCaller, { sessionId, ...fork, requestId: "r" });
    const [one, other] = await Promise.all([make(), make()]);
    assert.equal(one.sessionId, other.sessionId);
    assert.equal(await engine.countSessions(localCaller), 2);
    await assert.rejects(engine.forkSession(localCaller, { ...fork, sessionId: "none" }), missing);
    await assert.rejects(engine.forkSession(callerOf("other"), { ...fork, sessionId }), missing);
    const unknown = engine.forkSession(localCaller, { sessionId, ...fork, upToMessageId: "none" });
    await assert.rejects(unknown, { kind: "not_found", reason: "MESSAGE_NOT_FOUND" });
  });
});

describe("deleting a session", () => {
  it("cancels what runs and what waits, and leaves nothing", async (t) => {
    const { engine, log, ended, start, answerWith } = await openEngine(t);
    answerWith(waitingAfter("par"));
    const { sessionId } = await start();
    await start({ sessionId });
    await start({ sessionId });
    await engine.deleteSession(anonymous, sessionId);
    assert.deepEqual(
      ended.map(({ finishReason }) => finishReason),
      ["cancelled", "cancelled", "cancelled"],
    );
    await assert.rejects(engine.getSession(anonymous, sessionId), missing);
    await assert.rejects(start({ sessionId }), missing);
    await assert.rejects(engine.deleteSession(anonymous, sessionId), missing);
    assert.equal(await log.lastSequence(sessionId), 0);
    assert.equal(engine.runningTurns(), 0);
  });

  it("is another principal's to refuse", async (t) => {
    const { engine, createSession } = await openEngine(t);
    const sessionId = await createSession();
    await assert.rejects(engine.deleteSession("other", sessionId), missing);
    assert.equal(await engine.countSessions(localCaller), 1);
  });

  it("waits until the log has dropped the session, which no repeat could do", async (t) => {
    const { port: log, fail } = createFaulty(await openMemoryLog());
    const { engine, ask } = await openEngine(t, { log });
    const [{ turnId } = assert.fail("no event")] = await ask();
    assert.notEqual(turnId, "");
    const [session] = (await engine.listSessions(localCaller, { ...firstPage, query: "" })).items;
    const sessionId = session?.sessionId ?? "";
    fail("drop", undefined, 1);
    await engine.deleteSession(anonymous, sessionId);
    assert.equal(await log.lastSequence(sessionId), 0);
  });

  it("cancels a turn that is just being started in it", async (t) => {
    const { port: store, hold, calls } = createFaulty(createMemoryStore());
    const { engine, ended, start, createSession } = await openEngine(t, { store });
    const sessionId = await createSession();
    const release = hold("acquireTurn");
    const starting = start({ sessionId });
    await until(() => calls.includes("acquireTurn"));
    const deleted = engine.deleteSession(anonymous, sessionId);
    await settle();
    release();
    await starting;
    await deleted;
    assert.equal(ended[0]?.finishReason, "cancelled");
    assert.equal(await engine.countSessions(localCaller), 0);
  });

  it("lets no turn start in it, and takes no run from other sessions", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { engine, start, ask, createSession } = await openEngine(t, {
      store,
      runningTurnsMax: 1,
    });
    const sessionId = await createSession();
    const release = hold("deleteSession");
    const deleted = engine.deleteSession(anonymous, sessionId);
    await settle();
    const refused = assert.rejects(start({ sessionId }), missing);
    assert.equal(kindsOf(await ask()).at(-1), "end");
    release();
    await Promise.all([deleted, refused]);
  });

  it("fails with the store: the session is there, may be used and be deleted again", async (t) => {
    const { port: store, fail, mend } = createFaulty(createMemoryStore());
    const { engine, ask, watch, createSession, texts } = await openEngine(t, { store });
    const sessionId = await createSession();
    await ask({ sessionId });
    const watching = watch({ sessionId, afterSequence: 4 });
    await take(watching, 2);
    fail("deleteSession");
    const unavailable = { reason: "STORAGE_UNAVAILABLE" };
    await assert.rejects(engine.deleteSession(anonymous, sessionId), unavailable);
    mend("deleteSession");
    await ask({ sessionId });
    assert.deepEqual(kindsOf(await take(watching, 4)), ["status", "start", "chunk", "end"]);
    assert.equal((await texts(sessionId)).length, 4);
    await Promise.all([
      assert.rejects(take(watching, 2), missing),
      engine.deleteSession(anonymous, sessionId),
    ]);
    await until(async () => (await engine.countSessions(localCaller)) === 0);
  });
});

const firstPage = { pageSize: 50, pageToken: "" };
const page = { ...firstPage, newestFirst: false, includeReplaced: false };
