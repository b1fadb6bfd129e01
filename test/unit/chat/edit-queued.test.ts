import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ChatError } from "../../../src/chat/errors.ts";
import { allMessages, openEngine, replyText, take } from "../../support/engine.ts";
import { finish, saying, textPart, waitingAfter } from "../../support/models.ts";

describe("a message that waits", () => {
  for (const type of ["edit", "regenerate", "continue"] as const) {
    it(`is refused by ${type}, which says what to do, and nothing is interrupted`, async (t) => {
      const chat = await openEngine(t, { generate: waitingAfter("a ") });
      const { sessionId } = await chat.start();
      const waiting = await chat.start({ sessionId, parts: [textPart("later")] });
      const messages = await allMessages(chat.store, sessionId);
      const queued = messages.find(({ state }) => state === "queued");
      assert.equal(queued?.turnId, waiting.turnId);
      const { messageId } = queued;
      const parts = type === "edit" ? [textPart("sooner")] : [];
      const error = await chat
        .start({ type, sessionId, messageId, parts, onBusy: "interrupt" })
        .then(
          () => assert.fail("it was taken"),
          (refused: ChatError) => refused,
        );
      assert.deepEqual(
        [error.kind, error.reason, error.metadata],
        [
          "failed_precondition",
          "MESSAGE_QUEUED",
          { message_id: messageId, turn_id: waiting.turnId },
        ],
      );
      assert.equal(chat.engine.runningTurns(), 1);
      assert.deepEqual(await allMessages(chat.store, sessionId), messages);

      // What it says to do.
      assert.equal((await chat.cancel(sessionId, waiting.turnId)).cancelled, true);
      const again = chat.start({ type: "edit", sessionId, messageId, parts });
      await assert.rejects(again, { kind: "not_found", reason: "MESSAGE_NOT_FOUND" });
    });
  }
});

describe("a request that cannot be about the last reply", () => {
  for (const type of ["regenerate", "continue"] as const) {
    it(`is refused by ${type} before anything is interrupted`, async (t) => {
      const chat = await openEngine(t);
      const sessionId = await chat.createSession();
      await chat.ask({ sessionId });
      const [question, reply] = await allMessages(chat.store, sessionId);
      assert.ok(question && reply);
      chat.answerWith(waitingAfter("a "));
      const running = await chat.start({ sessionId });
      await take(chat.readTurn(running), 3);
      const own = (await allMessages(chat.store, sessionId)).at(-1)?.messageId ?? "";
      const wrong = [question.messageId, reply.messageId, ...(type === "continue" ? [own] : [])];
      for (const messageId of wrong) {
        const asked = chat.start({ type, sessionId, messageId, parts: [], onBusy: "interrupt" });
        await assert.rejects(asked, { kind: "invalid_argument" });
        assert.equal(chat.engine.runningTurns(), 1);
      }
    });
  }

  it("may name what a REGENERATE that has not begun would replace", async (t) => {
    const chat = await openEngine(t);
    const sessionId = await chat.createSession();
    await chat.ask({ sessionId });
    const [question, reply] = await allMessages(chat.store, sessionId);
    chat.answerWith(waitingAfter());
    await chat.start({ type: "regenerate", sessionId, parts: [], onBusy: "interrupt" });
    chat.answerWith(saying("Again", finish));
    for (const messageId of [reply?.messageId ?? "", question?.messageId ?? ""]) {
      const asked = { type: "regenerate", sessionId, messageId, parts: [] } as const;
      const events = await chat.ask({ ...asked, onBusy: "interrupt" });
      assert.equal(replyText(events), "Again");
    }
  });
});
