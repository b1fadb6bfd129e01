import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../../src/chat/clock.ts";
import type { Message } from "../../../src/chat/message.ts";
import { planTurn } from "../../../src/chat/plan-turn.ts";
import type { Store } from "../../../src/chat/store.ts";
import type { TurnRequest } from "../../../src/chat/turn-request.ts";
import { createMessage, createSession, turnRequest } from "../../support/engine.ts";
import { createModel, saying, textPart } from "../../support/models.ts";

const session = createSession({ systemInstruction: "always", generation: { topK: 3, seed: 1 } });
const question = (messageId: string, rest: Partial<Message> = {}) =>
  createMessage({ messageId, ...rest });
const answer = (messageId: string, rest: Partial<Message> = {}) =>
  createMessage({ messageId, role: "model", finishReason: "stop", ...rest });

describe("a planned turn", () => {
  it("has ids, a question and the session's settings; its own go before them", async () => {
    const parts = [textPart("now")];
    const turn = await plan([], {
      parts,
      requestId: "r",
      systemInstruction: "here",
      generation: { seed: 2 },
      chunkBy: "word",
      onDisconnect: "continue",
    });
    assert.deepEqual(turn, {
      turnId: "id-1",
      sessionId: "session",
      principal: "anonymous",
      requestId: "r",
      type: "message",
      onDisconnect: "continue",
      chunkBy: "word",
      replaces: [],
      model: "test",
      systemInstruction: "here",
      generation: { topK: 3, seed: 2 },
      replyMessageId: "id-3",
      userMessage: question("id-2", {
        turnId: "id-1",
        parts,
        requestId: "r",
        createdAt: turn.createdAt,
      }),
      createdAt: turn.createdAt,
    });
    assert.equal((await plan([], {})).systemInstruction, "always");
  });
});

describe("an edit", () => {
  it("replaces its message and all that came after it, what waits left out", async () => {
    const history = [
      question("q1"),
      answer("a1"),
      question("q2"),
      answer("a2"),
      question("q3", { state: "queued" }),
    ];
    const { replaces, userMessage } = await plan(history, { type: "edit", messageId: "q1" });
    assert.deepEqual(replaces, ["q1", "a1", "q2", "a2"]);
    assert.equal(userMessage.messageId, "id-2");
    const last = await plan(history, { type: "edit", messageId: "q2" });
    assert.deepEqual(last.replaces, ["q2", "a2"]);
  });

  it("is refused for a message that is not there, and for a reply", async () => {
    const history = [question("q1"), answer("a1")];
    const missing = { kind: "not_found", reason: "MESSAGE_NOT_FOUND" };
    await assert.rejects(plan(history, { type: "edit", messageId: "none" }), missing);
    const wrong = { kind: "invalid_argument", reason: "INVALID_REQUEST" };
    await assert.rejects(plan(history, { type: "edit", messageId: "a1" }), wrong);
  });

  it("reads page after page, however far back its message is", async () => {
    const history = Array.from({ length: 251 }, (_, index) => question(`q${index}`));
    const { replaces } = await plan(history, { type: "edit", messageId: "q0" });
    assert.deepEqual(
      replaces,
      history.map(({ messageId }) => messageId),
    );
  });
});

describe("a regenerate", () => {
  it("answers the last question again, in the place of its reply", async () => {
    const history = [question("q1"), answer("a1"), question("q2"), answer("a2")];
    const { replaces, userMessage, replyMessageId } = await plan(history, { type: "regenerate" });
    assert.deepEqual([replaces, userMessage.messageId], [["a2"], "q2"]);
    assert.notEqual(replyMessageId, "a2");
  });

  it("replaces nothing where there is no reply yet, and minds no message that waits", async () => {
    const history = [question("q1"), answer("a1"), question("q2")];
    const plain = await plan(history, { type: "regenerate" });
    assert.deepEqual([plain.replaces, plain.userMessage.messageId], [[], "q2"]);
    const waiting = question("q3", { state: "queued" });
    const { userMessage } = await plan([...history, waiting], { type: "regenerate" });
    assert.equal(userMessage.messageId, "q2");
  });

  it("is refused where nothing was asked", async () => {
    const nothing = { kind: "failed_precondition", reason: "NOTHING_TO_REGENERATE" };
    await assert.rejects(plan([], { type: "regenerate" }), nothing);
  });
});

describe("a continue", () => {
  for (const rest of [
    { state: "partial", finishReason: "cancelled" },
    { state: "partial", finishReason: "interrupted" },
    { state: "complete", finishReason: "max_tokens" },
  ] as const) {
    it(`extends a reply that is ${rest.state} and ended by ${rest.finishReason}`, async () => {
      const history = [question("q1"), answer("a1"), question("q2"), answer("a2", rest)];
      const turn = await plan(history, { type: "continue" });
      assert.deepEqual(
        [turn.replyMessageId, turn.userMessage.messageId, turn.replaces],
        ["a2", "q2", []],
      );
    });
  }

  it("is refused where the last reply is whole, was blocked, or is not there", async () => {
    const nothing = { kind: "failed_precondition", reason: "NOTHING_TO_CONTINUE" };
    const partial = answer("a1", { state: "partial", finishReason: "cancelled" });
    for (const history of [
      [],
      [question("q1")],
      [question("q1"), answer("a1")],
      [question("q1"), answer("a1", { finishReason: "safety" })],
      [question("q1"), partial, question("q2")],
    ]) {
      await assert.rejects(plan(history, { type: "continue" }), nothing);
    }
  });
});

/** What an edit has replaced in every session here. */
const replaced = [question("q0", { replacedByTurnId: "t9" })];

for (const type of ["edit", "regenerate", "continue"] as const) {
  it(`${type} of a message that was replaced says by which turn`, async () => {
    const history = [question("q1"), answer("a1", { state: "partial" })];
    await assert.rejects(plan(history, { type, messageId: "q0" }), {
      kind: "failed_precondition",
      reason: "MESSAGE_REPLACED",
      metadata: { message_id: "q0", replaced_by_turn_id: "t9" },
    });
    const missing = { kind: "not_found", reason: "MESSAGE_NOT_FOUND" };
    await assert.rejects(plan(history, { type, messageId: "none" }), missing);
  });
}

for (const type of ["regenerate", "continue"] as const) {
  it(`${type} may name the last reply, and no other`, async () => {
    const last = answer("a2", { state: "partial" });
    const history = [question("q1"), answer("a1"), question("q2"), last];
    assert.equal((await plan(history, { type, messageId: "a2" })).userMessage.messageId, "q2");
    const wrong = { kind: "invalid_argument", reason: "INVALID_REQUEST" };
    await assert.rejects(plan(history, { type, messageId: "a1" }), wrong);
  });
}

/** Plans the turn in a session that has this history. */
function plan(history: readonly Message[], request: Partial<TurnRequest>) {
  const newestFirst = history.toReversed();
  const listMessages: Store["listMessages"] = async (_principal, _sessionId, page) => {
    assert.deepEqual([page.newestFirst, page.includeReplaced], [true, false]);
    const from = Number(page.pageToken);
    const next = from + page.pageSize;
    const nextPageToken = next < newestFirst.length ? String(next) : "";
    return { items: newestFirst.slice(from, next), nextPageToken };
  };
  let ids = 0;
  const newId = () => {
    ids += 1;
    return `id-${ids}`;
  };
  const getMessage: Store["getMessage"] = async (_principal, _sessionId, messageId) =>
    [...history, ...replaced].find((message) => message.messageId === messageId);
  const options = { store: { listMessages, getMessage } as Store, clock: systemClock, newId };
  return planTurn(options, session, createModel(saying()), turnRequest(request));
}
