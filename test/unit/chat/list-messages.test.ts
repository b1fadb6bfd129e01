import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import fc from "fast-check";
import type { MessagesRequest } from "../../../src/chat/list-messages.ts";
import { type Message, textOf } from "../../../src/chat/message.ts";
import { anonymous } from "../../../src/chat/session.ts";
import type { Watched } from "../../../src/chat/watch-session.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { openEngine, openMemoryLog, type TestEngine, textWithRole } from "../../support/engine.ts";
import { createFaulty } from "../../support/faults.ts";
import { settle, until } from "../../support/loops.ts";
import { finish, saying, textPart, waitingAfter } from "../../support/models.ts";

const page: MessagesRequest = {
  pageSize: 50,
  pageToken: "",
  newestFirst: false,
  includeReplaced: false,
};

describe("listing messages", () => {
  it("has the reply that streams between what has started and what waits", async (t) => {
    const { engine, start, ask, createSession, answerWith, recorded } = await openEngine(t);
    const sessionId = await createSession();
    await ask({ sessionId, parts: [textPart("1")] });
    answerWith(waitingAfter("par", "tial"));
    const turn = await start({ sessionId, parts: [textPart("2")] });
    await until(async () => (await recorded(sessionId)).length === 8);
    await start({ sessionId, parts: [textPart("3")] });
    const { items, lastSequence, epoch } = await engine.listMessages(anonymous, sessionId, page);
    assert.deepEqual(items.map(textWithRole), [
      "user: 1",
      "model: Hello",
      "user: 2",
      "[streaming] model: partial",
      "[queued] user: 3",
    ]);
    const [, , , streaming] = items;
    assert.deepEqual([streaming?.turnId, streaming?.model], [turn.turnId, "test"]);
    assert.deepEqual([lastSequence, epoch], [9, 1]);
    const newestFirst = { ...page, newestFirst: true };
    const newest = await engine.listMessages(anonymous, sessionId, newestFirst);
    assert.deepEqual(newest.items, items.toReversed());
  });

  it("has it on one page alone, that of the newest", async (t) => {
    const { engine, start, ask, createSession, answerWith, recorded } = await openEngine(t);
    const sessionId = await createSession();
    for (const text of ["1", "2"]) await ask({ sessionId, parts: [textPart(text)] });
    answerWith(waitingAfter("par"));
    await start({ sessionId, parts: [textPart("3")] });
    await until(async () => (await recorded(sessionId)).length === 11);
    for (const newestFirst of [true, false]) {
      const seen: string[] = [];
      let pageToken = "";
      do {
        const request = { ...page, pageSize: 2, pageToken, newestFirst };
        const { items, nextPageToken } = await engine.listMessages(anonymous, sessionId, request);
        seen.push(...items.map(textWithRole));
        pageToken = nextPageToken;
      } while (pageToken !== "");
      const whole = ["user: 1", "model: Hello", "user: 2", "model: Hello", "user: 3"];
      const all = [...whole, "[streaming] model: par"];
      assert.deepEqual(newestFirst ? seen.toReversed() : seen, all);
    }
  });

  it("never tells of a reply whose end is told that it streams", async (t) => {
    const { port: store, hold } = createFaulty(createMemoryStore());
    const { engine, start, log, createSession } = await openEngine(t, { store });
    const sessionId = await createSession();
    const release = hold("endTurn");
    await start({ sessionId });
    await until(async () => (await log.lastSequence(sessionId)) === 4);
    const listing = engine.listMessages(anonymous, sessionId, page);
    await settle();
    release();
    const { items, lastSequence } = await listing;
    assert.deepEqual(items.map(textWithRole), ["user: Hi", "model: Hello"]);
    assert.equal(lastSequence, 4);
  });

  it("fails while the storage does, and refuses another principal", async (t) => {
    const { port: store, fail, mend } = createFaulty(createMemoryStore());
    const { engine, createSession } = await openEngine(t, { store });
    const sessionId = await createSession();
    const missing = { reason: "SESSION_NOT_FOUND" };
    await assert.rejects(engine.listMessages("other", sessionId, page), missing);
    fail("listMessages");
    const listing = engine.listMessages(anonymous, sessionId, page);
    await assert.rejects(listing, { reason: "STORAGE_UNAVAILABLE" });
    mend("listMessages");
  });
});

describe("a list, and a watch from its last sequence", () => {
  it("miss nothing and tell nothing twice, whenever the list is made", async () => {
    const delays = fc.array(fc.nat({ max: 6 }), { minLength: 1, maxLength: 6 });
    const setting = fc.record({
      chunks: fc.integer({ min: 0, max: 6 }),
      type: fc.constantFrom("message", "regenerate", "continue", "edit"),
      slowness: delays,
      pace: fc.nat({ max: 4 }),
      moments: fc.array(fc.tuple(fc.nat({ max: 24 }), fc.nat({ max: 12 })), { minLength: 4 }),
      queued: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(setting, async (given) => {
        const opened: (() => Promise<void>)[] = [];
        const cleanup = { after: (close: () => Promise<void>) => void opened.push(close) };
        const engine = await openEngine(cleanup, {
          store: slowed(createMemoryStore(), given.slowness),
          log: slowed(await openMemoryLog(), given.slowness),
        });
        try {
          await checkLists(engine, given);
        } finally {
          for (const close of opened) await close();
        }
      }),
      { numRuns: 150 },
    );
  });
});

type Given = {
  chunks: number;
  type: "message" | "regenerate" | "continue" | "edit";
  pace: number;
  /** Turns of the event loop, then of the promise queue, before each list. */
  moments: [number, number][];
  queued: boolean;
};

/** Makes lists at those moments of a turn, and compares each, with what comes after it, with the last one. */
async function checkLists(test: TestEngine, { chunks, type, pace, moments, queued }: Given) {
  const { engine, ask, start, createSession, answerWith, watch } = test;
  const sessionId = await createSession();
  answerWith(saying("old", { type: "finish", reason: "max_tokens" }));
  await ask({ sessionId });
  const [question] = (await engine.listMessages(anonymous, sessionId, page)).items;
  answerWith(async function* () {
    for (let number = 1; number <= chunks; number += 1) {
      await turnOfTheLoop();
      await ticks(pace);
      yield textPart(`w${number} `);
    }
    yield finish;
  });
  const listing = moments.map(async ([loops, turns]) => {
    for (let count = 0; count < loops; count += 1) await turnOfTheLoop();
    await ticks(turns);
    return engine.listMessages(anonymous, sessionId, page);
  });
  const messageId = question?.messageId ?? "";
  const request = { sessionId, type, ...(type === "edit" && { messageId }) };
  await start(request);
  if (queued) await start({ sessionId });
  const lists = await Promise.all(listing);
  const { lastSequence } = await endOfSession(watch, sessionId);
  const last = await engine.listMessages(anonymous, sessionId, page);
  assert.equal(last.lastSequence, lastSequence);
  for (const list of lists) {
    const after = { sessionId, afterSequence: list.lastSequence, untilIdle: true };
    const events = await Array.fromAsync(watch(after));
    assert.deepEqual(fold(list.items, events), sorted(last.items.map(toText)));
  }
}

async function endOfSession(watch: TestEngine["watch"], sessionId: string) {
  let lastSequence = 0;
  for await (const event of watch({ sessionId, untilIdle: true })) {
    if ("sequence" in event) lastSequence = event.sequence;
  }
  return { lastSequence };
}

type Shown = { messageId: string; text: string };

/** What a client shows that applies events to a list. */
function fold(items: readonly Message[], events: readonly Watched[]): Shown[] {
  let shown = items.map(toText);
  const replies = new Map(
    items.filter(isReply).map(({ turnId, messageId }) => [turnId, messageId]),
  );
  const add = (message: Shown) => {
    if (!shown.some(({ messageId }) => messageId === message.messageId)) shown.push(message);
  };
  for (const event of events) {
    if (event.type === "live_update") continue;
    if ("userMessage" in event && event.userMessage) add(toText(event.userMessage));
    if (event.type === "session_update" && event.updateType === "messages_replaced") {
      const ids = event.data.message_ids as string[];
      shown = shown.filter(({ messageId }) => !ids.includes(messageId));
    }
    if (event.type === "start") {
      replies.set(event.turnId, event.messageId);
      add({ messageId: event.messageId, text: "" });
    }
    if (event.type === "chunk") {
      const messageId = replies.get(event.turnId);
      const message = shown.find((one) => one.messageId === messageId);
      assert.ok(message, "a chunk of a message that nobody knows");
      message.text += event.text;
    }
  }
  return sorted(shown);
}

/** The order of the history is not in the events of a turn that waited. */
function sorted(messages: readonly Shown[]): Shown[] {
  return messages.toSorted((one, other) => (one.messageId < other.messageId ? -1 : 1));
}

function isReply({ role }: Message): boolean {
  return role === "model";
}

function toText({ messageId, parts }: Message): Shown {
  return { messageId, text: textOf(parts) };
}

async function ticks(count: number): Promise<void> {
  for (let turns = 0; turns < count; turns += 1) await Promise.resolve();
}

/** A port whose answers take so many turns of the promise queue, one after the other. */
function slowed<Port extends object>(port: Port, delays: readonly number[]): Port {
  let calls = 0;
  return new Proxy(port, {
    get(target, name) {
      const method = Reflect.get(target, name) as unknown;
      if (typeof method !== "function" || name === "read") return method;
      return async (...values: unknown[]) => {
        calls += 1;
        const delay = delays[calls % delays.length] ?? 0;
        const result = await (Reflect.apply(method, target, values) as unknown);
        await ticks(delay);
        return result;
      };
    },
  });
}
