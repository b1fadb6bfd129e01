import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { buildContext } from "../../../src/chat/context.ts";
import type { FinishReason, Message, Part } from "../../../src/chat/message.ts";
import type { ModelInfo, ModelRequest } from "../../../src/chat/model.ts";
import type { Store } from "../../../src/chat/store.ts";
import { createMessage, createTurn } from "../../support/engine.ts";
import { createModel, saying, textPart, thoughtPart } from "../../support/models.ts";

const question = (text: string, turnId: string) =>
  createMessage({ messageId: `${turnId}-q`, turnId, parts: [textPart(text)] });
const answer = (turnId: string, finishReason: FinishReason, ...parts: Part[]) =>
  createMessage({ messageId: `${turnId}-a`, turnId, role: "model", parts, finishReason });

const turn = createTurn({ turnId: "own", userMessage: question("now", "own") });

describe("a turn's context", () => {
  it("is its own message alone in a new session", async () => {
    assert.deepEqual(await textsGiven([]), ["user: now"]);
  });

  it("is the exchanges so far, oldest first, and its own message last", async () => {
    const history = [
      question("one", "1"),
      answer("1", "stop", textPart("1.")),
      question("two", "2"),
      answer("2", "stop", textPart("2.")),
    ];
    assert.deepEqual(await textsGiven(history), [
      "user: one",
      "model: 1.",
      "user: two",
      "model: 2.",
      "user: now",
    ]);
  });

  it("leaves thoughts out and keeps the provider's signature", async () => {
    const signed: Part = { type: "text", text: "1.", signature: "s" };
    const history = [question("one", "1"), answer("1", "stop", thoughtPart("hm"), signed)];
    const { request } = await build(history);
    assert.deepEqual(request.messages[1], { role: "model", parts: [signed] });
  });

  it("leaves out what was blocked, and what has no reply, with its question", async () => {
    const history = [
      question("blocked", "1"),
      answer("1", "safety", textPart("bad")),
      question("failed", "2"),
      question("only thought about", "3"),
      answer("3", "failed", thoughtPart("hm")),
      question("fine", "4"),
      answer("4", "cancelled", textPart("par")),
      question("waiting", "5"),
    ];
    assert.deepEqual(await textsGiven(history), ["user: fine", "model: par", "user: now"]);
  });

  it("keeps the newest that fit the window, whole exchanges, and stops at the first that does not", async () => {
    const long = "x".repeat(400);
    const history = [
      question("small", "1"),
      answer("1", "stop", textPart("1.")),
      question(long, "2"),
      answer("2", "stop", textPart(long)),
      question("new", "3"),
      answer("3", "stop", textPart("3.")),
    ];
    const info = { contextTokensMax: 150, outputTokensMax: 50 };
    assert.deepEqual(await textsGiven(history, info), ["user: new", "model: 3.", "user: now"]);
  });

  it("always has the system instruction and its own message, however small the window is", async () => {
    const own = { ...turn, systemInstruction: "be kind ".repeat(100) };
    const history = [question("old", "1"), answer("1", "stop", textPart("1."))];
    const { request, inputTokens } = await build(history, { contextTokensMax: 10 }, own);
    assert.equal(request.systemInstruction, own.systemInstruction);
    assert.deepEqual(request.messages, [{ role: "user", parts: [textPart("now")] }]);
    assert.equal(inputTokens, 201);
  });

  it("leaves room for the reply that was asked for, and gives it half of the window at most", async () => {
    const history = [question("q".repeat(200), "1"), answer("1", "stop", textPart("a"))];
    const info = { contextTokensMax: 100, outputTokensMax: 90 };
    const asked = (maxOutputTokens: number) => ({ ...turn, generation: { maxOutputTokens } });
    assert.equal((await build(history, info, asked(10))).request.messages.length, 3);
    assert.equal((await build(history, info, asked(90))).request.messages.length, 1);
    const small = [question("q".repeat(100), "1"), answer("1", "stop", textPart("a"))];
    assert.equal((await build(small, info, asked(90))).request.messages.length, 3);
  });

  it("reads page after page, across a page's border too, and no further than it needs", async () => {
    const history = Array.from({ length: 151 }, (_, index) => [
      question("q", `${index}`),
      answer(`${index}`, "stop", textPart("a")),
    ]).flat();
    const read: string[] = [];
    assert.equal((await build(history, {}, turn, read)).request.messages.length, 303);
    assert.deepEqual(read, ["", "100", "200", "300"]);
    read.length = 0;
    await build(history, { contextTokensMax: 40 }, turn, read);
    assert.deepEqual(read, [""]);
  });

  it("leaves out what waits behind its own message", async () => {
    const later = { ...question("later", "later"), state: "queued" } as const;
    const history = [question("one", "1"), answer("1", "stop", textPart("1."))];
    const { request } = await build(history, {}, turn, [], [later]);
    assert.equal(request.messages.length, 3);
  });

  it("counts what the model is likely to be charged for", async () => {
    const history = [
      question("four", "1"),
      answer("1", "stop", thoughtPart("free"), textPart("ab")),
    ];
    assert.equal((await build(history)).inputTokens, 3);
  });
});

describe("the context of a regenerate", () => {
  it("ends with the old question, and has neither its reply nor what comes after", async () => {
    const history = [
      question("one", "1"),
      answer("1", "stop", textPart("1.")),
      question("two", "2"),
    ];
    const own = createTurn({ type: "regenerate", userMessage: question("two", "2") });
    const replaced = answer("2", "stop", textPart("2."));
    const { request } = await build(history.slice(0, 2), {}, own, [], [replaced]);
    assert.deepEqual(texts(request), ["user: one", "model: 1.", "user: two"]);
  });
});

describe("the context of a continue", () => {
  const reply = answer("1", "max_tokens", thoughtPart("hm"), textPart("half a"));
  const own = createTurn({
    type: "continue",
    userMessage: question("one", "1"),
    replyMessageId: reply.messageId,
  });

  it("ends with the reply as far as it came, without its thoughts, and the wish for more", async () => {
    const history = [question("zero", "0"), answer("0", "stop", textPart("0."))];
    const { request } = await build(history, {}, own, [], [reply]);
    const given = texts(request);
    assert.deepEqual(given.slice(0, 4), ["user: zero", "model: 0.", "user: one", "model: half a"]);
    assert.equal(given.length, 5);
    assert.match(given[4] ?? "", /^user: ./);
  });

  it("asks again where the reply has no text that could be continued", async () => {
    const silent = answer("1", "cancelled", thoughtPart("hm"));
    assert.deepEqual(texts((await build([], {}, own, [], [silent])).request), ["user: one"]);
  });
});

function texts(request: ModelRequest): string[] {
  return request.messages.map(
    ({ role, parts }) => `${role}: ${parts.map(({ text }) => text).join("")}`,
  );
}

async function textsGiven(history: Message[], info?: Partial<ModelInfo>): Promise<string[]> {
  return texts((await build(history, info)).request);
}

/** Builds the context from a store that has this history, the turn's own message, and what is after it. */
function build(
  history: readonly Message[],
  info: Partial<ModelInfo> = {},
  of = turn,
  read: string[] = [],
  after: readonly Message[] = [],
) {
  const newestFirst = [...history, of.userMessage, ...after].toReversed();
  const listMessages: Store["listMessages"] = async (_principal, _sessionId, page) => {
    read.push(page.pageToken);
    const from = Number(page.pageToken);
    const next = from + page.pageSize;
    const nextPageToken = next < newestFirst.length ? String(next) : "";
    return { items: newestFirst.slice(from, next), nextPageToken };
  };
  const getMessage: Store["getMessage"] = async (_principal, _sessionId, messageId) =>
    newestFirst.find((message) => message.messageId === messageId);
  return buildContext({ listMessages, getMessage } as Store, of, createModel(saying(), info).info);
}
