import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ModelError } from "../../../src/chat/model.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import {
  allMessages,
  endOf,
  kindsOf,
  openEngine,
  openMemoryLog,
  replyText,
  type TestEngine,
  textWithRole,
} from "../../support/engine.ts";
import { createFaulty } from "../../support/faults.ts";
import { until } from "../../support/loops.ts";
import { failingAfter, finish, saying, textPart, waitingAfter } from "../../support/models.ts";

const overloaded = new ModelError("unavailable", "MODEL_OVERLOADED", "busy", { retryable: true });

describe("an EDIT", () => {
  it("takes the place of its message and all that came after it", async (t) => {
    const given: string[][] = [];
    const engine = await openEngine(t);
    const { sessionId, messages } = await conversation(engine, ["1", "2", "3"]);
    const { ask, texts, answerWith, store } = engine;
    answerWith((request, signal) => {
      given.push(request.messages.map(({ parts }) => parts[0]?.text ?? ""));
      return saying("new reply", finish)(request, signal);
    });
    const parts = [textPart("new")];
    const events = await ask({
      type: "edit",
      sessionId,
      messageId: messages[2]?.messageId ?? "",
      parts,
    });
    const kinds = ["status", "messages_replaced", "start", "chunk", "end"];
    assert.deepEqual(kindsOf(events), kinds);
    const [status, replaced] = events;
    assert.ok(status?.type === "status" && replaced?.type === "session_update");
    assert.deepEqual(status.userMessage?.parts, parts);
    assert.deepEqual(replaced.data, {
      message_ids: messages.slice(2).map(({ messageId }) => messageId),
      by_turn_id: replaced.turnId,
    });
    assert.equal(endOf(events).messageCount, 4);
    assert.deepEqual(given, [["1", "Hello", "new"]]);
    const shown = ["user: 1", "model: Hello", "user: new", "model: new reply"];
    assert.deepEqual(await texts(sessionId), shown);
    const kept = await allMessages(store, sessionId, { includeReplaced: true });
    assert.equal(kept.length, 8);
    assert.equal(kept.filter((message) => message.replacedByTurnId).length, 4);
  });

  it("replaces when its message is durable: also when the model then fails", async (t) => {
    const engine = await openEngine(t);
    const { sessionId, messages } = await conversation(engine, ["1"]);
    engine.answerWith(failingAfter(overloaded));
    const messageId = messages[0]?.messageId ?? "";
    const parts = [textPart("new")];
    const events = await engine.ask({ type: "edit", sessionId, messageId, parts });
    assert.deepEqual(kindsOf(events), ["status", "messages_replaced", "end"]);
    assert.deepEqual(await engine.texts(sessionId), ["user: new"]);
  });

  it("in a busy session cancels what runs and what waits, and runs", async (t) => {
    const engine = await openEngine(t);
    const { start, read, answerWith, texts, recorded } = engine;
    const { sessionId, messages } = await conversation(engine, ["1"]);
    answerWith(waitingAfter("par"));
    const running = await start({ sessionId, parts: [textPart("runs")] });
    await until(async () => (await recorded(sessionId)).at(-1)?.type === "chunk");
    const waiting = await start({ sessionId, parts: [textPart("waits")] });
    answerWith(saying("ok", finish));
    const messageId = messages[0]?.messageId ?? "";
    const edit = await start({ type: "edit", sessionId, messageId, parts: [textPart("new")] });
    for (const turn of [running, waiting]) {
      assert.equal(endOf(await read(turn)).finishReason, "cancelled");
    }
    assert.equal(replyText(await read(edit)), "ok");
    assert.deepEqual(await texts(sessionId), ["user: new", "model: ok"]);
  });

  it("of a message that another has replaced is told so, and interrupts nothing", async (t) => {
    const engine = await openEngine(t);
    const { start, ask, answerWith } = engine;
    const { sessionId, messages } = await conversation(engine, ["1"]);
    const [question, reply] = messages.map(({ messageId }) => messageId);
    const [first] = await ask({ sessionId, type: "regenerate" });
    answerWith(waitingAfter("par"));
    await start({ sessionId });
    const replaced = { kind: "failed_precondition", reason: "MESSAGE_REPLACED" };
    const metadata = { message_id: reply, replaced_by_turn_id: first?.turnId };
    for (const type of ["edit", "regenerate", "continue"] as const) {
      const again = start({ sessionId, type, messageId: reply ?? "" });
      await assert.rejects(again, { ...replaced, metadata });
      const unknown = start({ sessionId, type, messageId: "none" });
      await assert.rejects(unknown, { kind: "not_found", reason: "MESSAGE_NOT_FOUND" });
    }
    assert.equal(engine.engine.runningTurns(), 1);
    const edit = { sessionId, type: "edit", messageId: question ?? "" } as const;
    const { turnId } = await start(edit);
    await assert.rejects(start(edit), {
      ...replaced,
      metadata: { message_id: question, replaced_by_turn_id: turnId },
    });
  });

  it("that is refused interrupts nothing", async (t) => {
    const engine = await openEngine(t);
    const { start, answerWith } = engine;
    const { sessionId, messages } = await conversation(engine, ["1"]);
    answerWith(waitingAfter());
    await start({ sessionId });
    await start({ sessionId });
    const edit = { type: "edit", sessionId } as const;
    const messageId = messages[0]?.messageId ?? "";
    const unknown = { kind: "not_found", reason: "MESSAGE_NOT_FOUND" };
    await assert.rejects(start({ ...edit, messageId: "none" }), unknown);
    const reply = messages[1]?.messageId ?? "";
    await assert.rejects(start({ ...edit, messageId: reply }), { kind: "invalid_argument" });
    const busy = { kind: "failed_precondition", reason: "SESSION_BUSY" };
    await assert.rejects(start({ ...edit, messageId, onBusy: "reject" }), busy);
    const queued = start({ ...edit, messageId, onBusy: "enqueue" });
    await assert.rejects(queued, { kind: "invalid_argument", fields: [onBusyField] });
    await assert.rejects(start({ ...edit, messageId, modelId: "none" }), {
      reason: "MODEL_UNKNOWN",
    });
    assert.deepEqual(
      (await engine.store.unfinishedTurns()).map(({ state }) => state),
      ["running", "queued"],
    );
  });

  it("of a message that was replaced already is refused, and its key replays", async (t) => {
    const engine = await openEngine(t);
    const { start, ask } = engine;
    const { sessionId, messages } = await conversation(engine, ["1"]);
    const messageId = messages[0]?.messageId ?? "";
    const edit = { type: "edit", sessionId, messageId, parts: [textPart("new")] } as const;
    const first = await ask({ ...edit, requestId: "edit" });
    const replaced = { kind: "failed_precondition", reason: "MESSAGE_REPLACED" };
    await assert.rejects(start(edit), replaced);
    assert.deepEqual(await ask({ ...edit, requestId: "edit" }), first);
    assert.equal(
      replyText(await ask({ sessionId, requestId: "1", parts: [textPart("1")] })),
      "Hello",
    );
  });
});

describe("a REGENERATE", () => {
  it("answers the last question again, and takes the reply's place when it begins", async (t) => {
    const given: number[] = [];
    const engine = await openEngine(t);
    const { ask, answerWith, texts } = engine;
    const { sessionId, messages } = await conversation(engine, ["1", "2"]);
    answerWith((request, signal) => {
      given.push(request.messages.length);
      return saying("better", finish)(request, signal);
    });
    const events = await ask({ type: "regenerate", sessionId, parts: [] });
    assert.deepEqual(kindsOf(events), ["status", "start", "messages_replaced", "chunk", "end"]);
    const replaced = events[2];
    assert.deepEqual(replaced?.type === "session_update" && replaced.data, {
      message_ids: [messages[3]?.messageId],
      by_turn_id: replaced?.turnId,
    });
    assert.deepEqual([endOf(events).messageCount, given], [4, [3]]);
    const shown = ["user: 1", "model: Hello", "user: 2", "model: better"];
    assert.deepEqual(await texts(sessionId), shown);
  });

  it("that fails before the model answers changes nothing", async (t) => {
    const engine = await openEngine(t);
    const { ask, start, cancel, answerWith, texts } = engine;
    const { sessionId } = await conversation(engine, ["1"]);
    answerWith(failingAfter(overloaded));
    const events = await ask({ type: "regenerate", sessionId, parts: [] });
    assert.deepEqual(kindsOf(events), ["status", "end"]);
    assert.equal(endOf(events).messageCount, 2);
    answerWith(waitingAfter());
    await start({ type: "regenerate", sessionId, parts: [] });
    await cancel(sessionId);
    assert.deepEqual(await texts(sessionId), ["user: 1", "model: Hello"]);
    answerWith(failingAfter(overloaded, "par"));
    await ask({ type: "regenerate", sessionId, parts: [] });
    assert.deepEqual(await texts(sessionId), ["user: 1", "[partial] model: par"]);
  });

  it("whose beginning could not be recorded changes nothing", async (t) => {
    const { port: log, fail, mend } = createFaulty(await openMemoryLog());
    const engine = await openEngine(t, { log });
    const { start, read, answerWith, recorded, texts } = engine;
    const { sessionId } = await conversation(engine, ["1"]);
    const goOn = Promise.withResolvers<void>();
    answerWith(async function* () {
      await goOn.promise;
      yield* [textPart("better"), finish];
    });
    const turn = await start({ type: "regenerate", sessionId, parts: [] });
    await until(async () => (await recorded(sessionId)).at(-1)?.type === "status");
    fail("append");
    goOn.resolve();
    await assert.rejects(read(turn), { reason: "STORAGE_UNAVAILABLE" });
    mend("append");
    await until(() => engine.engine.runningTurns() === 0);
    assert.equal(endOf(await recorded(sessionId)).finishReason, "interrupted");
    assert.deepEqual(await texts(sessionId), ["user: 1", "model: Hello"]);
  });

  it("hides the old reply from lists from its beginning on", async (t) => {
    const engine = await openEngine(t);
    const { start, answerWith, recorded } = engine;
    const { sessionId } = await conversation(engine, ["1"]);
    const goOn = Promise.withResolvers<void>();
    answerWith(async function* () {
      await goOn.promise;
      yield textPart("better");
      await new Promise<never>(() => {});
    });
    await start({ type: "regenerate", sessionId, parts: [] });
    assert.deepEqual(await listed(engine, sessionId), ["user: 1", "model: Hello"]);
    goOn.resolve();
    await until(async () => (await recorded(sessionId)).at(-1)?.type === "chunk");
    assert.deepEqual(await listed(engine, sessionId), ["user: 1", "[streaming] model: better"]);
  });

  it("is refused where nothing was asked", async (t) => {
    const { start, createSession } = await openEngine(t);
    const regenerate = start({ type: "regenerate", sessionId: await createSession(), parts: [] });
    await assert.rejects(regenerate, { reason: "NOTHING_TO_REGENERATE" });
  });

  it("in a busy session cancels what runs, and answers its question again", async (t) => {
    const engine = await openEngine(t, { generate: waitingAfter() });
    const { start, read, answerWith, texts } = engine;
    const running = await start({ parts: [textPart("1")] });
    const { sessionId } = running;
    answerWith(saying("better", finish));
    const turn = await start({ type: "regenerate", sessionId, parts: [] });
    assert.equal(endOf(await read(running)).finishReason, "cancelled");
    await read(turn);
    assert.deepEqual(await texts(sessionId), ["user: 1", "model: better"]);
  });
});

describe("a CONTINUE", () => {
  it("extends a reply that was cut: the same message, its text joined", async (t) => {
    const given: number[] = [];
    const engine = await openEngine(t);
    const { ask, answerWith, texts, store, createSession } = engine;
    const sessionId = await createSession();
    answerWith(saying("half a ", { type: "finish", reason: "max_tokens" }));
    const first = await ask({ sessionId });
    answerWith((request, signal) => {
      given.push(request.messages.length);
      return saying("sentence", finish)(request, signal);
    });
    const events = await ask({ type: "continue", sessionId, parts: [] });
    assert.equal(endOf(events).messageId, endOf(first).messageId);
    assert.equal(endOf(events).messageCount, 2);
    const [status] = events;
    assert.deepEqual(status?.type === "status" && status.contextMessages, 3);
    assert.deepEqual([replyText(events), given], ["sentence", [3]]);
    assert.deepEqual(await texts(sessionId), ["user: Hi", "model: half a sentence"]);
    const [, reply] = await allMessages(store, sessionId);
    assert.equal(reply?.finishReason, "stop");
  });

  it("shows the joined text while it streams", async (t) => {
    const engine = await openEngine(t, { generate: failingAfter(overloaded, "half a ") });
    const { ask, start, answerWith, createSession, recorded } = engine;
    const sessionId = await createSession();
    await ask({ sessionId });
    answerWith(waitingAfter("sen"));
    await start({ type: "continue", sessionId, parts: [] });
    await until(async () => (await recorded(sessionId)).at(-1)?.type === "chunk");
    const shown = ["user: Hi", "[streaming] model: half a sen"];
    assert.deepEqual(await listed(engine, sessionId), shown);
  });

  it("is refused where the last reply is whole", async (t) => {
    const { ask, start, createSession } = await openEngine(t);
    const sessionId = await createSession();
    const nothing = { kind: "failed_precondition", reason: "NOTHING_TO_CONTINUE" };
    await assert.rejects(start({ type: "continue", sessionId, parts: [] }), nothing);
    await ask({ sessionId });
    await assert.rejects(start({ type: "continue", sessionId, parts: [] }), nothing);
  });

  it("in a busy session cancels what runs, and goes on with its reply", async (t) => {
    const test = await openEngine(t);
    const { engine, start, read, answerWith, texts, recorded, createSession } = test;
    const sessionId = await createSession();
    answerWith(waitingAfter("half a "));
    const running = await start({ sessionId });
    const nothing = { kind: "failed_precondition", reason: "NOTHING_TO_CONTINUE" };
    await until(async () => (await recorded(sessionId)).at(-1)?.type === "chunk");
    const waiting = await start({ sessionId });
    answerWith(saying("sentence", finish));
    const turn = await start({ type: "continue", sessionId, parts: [] });
    for (const one of [running, waiting]) {
      assert.equal(endOf(await read(one)).finishReason, "cancelled");
    }
    await read(turn);
    assert.deepEqual(await texts(sessionId), ["user: Hi", "model: half a sentence"]);
    answerWith(waitingAfter());
    await start({ sessionId });
    // Nothing of the running turn's reply is there to go on from: it runs on.
    await assert.rejects(start({ type: "continue", sessionId, parts: [] }), nothing);
    assert.equal(engine.runningTurns(), 1);
  });

  it("whose end the store has taken twice extends once", async (t) => {
    const memory = createMemoryStore();
    const store = {
      ...memory,
      async endTurn(end: Parameters<typeof memory.endTurn>[0]) {
        await memory.endTurn(end);
        await memory.endTurn(end);
      },
    };
    const { port } = createFaulty(store);
    const { ask, answerWith, texts, createSession } = await openEngine(t, { store: port });
    const sessionId = await createSession();
    answerWith(saying("a", { type: "finish", reason: "max_tokens" }));
    await ask({ sessionId });
    answerWith(saying("b", finish));
    await ask({ type: "continue", sessionId, parts: [] });
    assert.deepEqual(await texts(sessionId), ["user: Hi", "model: ab"]);
  });
});

const onBusyField = {
  field: "on_busy",
  description: "ENQUEUE is for messages; what changes the history interrupts what runs",
};

/** A session with these questions, each answered. */
async function conversation({ createSession, ask, store }: TestEngine, questions: string[]) {
  const sessionId = await createSession();
  for (const text of questions) await ask({ sessionId, requestId: text, parts: [textPart(text)] });
  return { sessionId, messages: await allMessages(store, sessionId) };
}

/** The history as a client is given it. */
async function listed({ engine }: TestEngine, sessionId: string): Promise<string[]> {
  const page = { pageSize: 50, pageToken: "", newestFirst: false, includeReplaced: false };
  const { items } = await engine.listMessages("anonymous", sessionId, page);
  return items.map(textWithRole);
}
