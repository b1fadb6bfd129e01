import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import {
  type ChatResponse,
  ChatResponse_Type,
  ChatResponseSchema,
  FinishReason,
  Message_Role,
  Message_State,
  MessageSchema,
} from "../../../src/gen/chat/chat_pb.ts";
import { applyEvent } from "../../../web/src/session/apply-event.ts";
import {
  canContinue,
  emptyView,
  prependOlder,
  type SessionView,
  viewOfListing,
  withRunningTurn,
} from "../../../web/src/session/session-view.ts";
import { createScript } from "./events.ts";

const after = (events: readonly ChatResponse[], from: SessionView = emptyView) =>
  events.reduce(applyEvent, from);
const textsOf = ({ messages }: SessionView) => messages.map(({ text }) => text);

/** A turn from its question to its end. */
function wholeTurn(turnId = "a"): ChatResponse[] {
  const script = createScript();
  return [
    script.status(turnId, script.question(turnId, "Hi")),
    script.start(turnId),
    script.chunk(turnId, "t1 ", { thought: true, chunkNumber: 1, elapsedMs: 40 }),
    script.chunk(turnId, "w1 ", { chunkNumber: 2, elapsedMs: 60 }),
    script.chunk(turnId, "w2", { chunkNumber: 3, elapsedMs: 80 }),
    script.end(turnId),
  ];
}

test("a turn's events become a question and its reply", () => {
  const view = after(wholeTurn());
  assert.deepEqual(textsOf(view), ["Hi", "w1 w2"]);
  const [question, reply] = view.messages;
  assert.equal(question?.requestId, "request-a");
  assert.equal(reply?.thoughts, "t1 ");
  assert.equal(reply?.state, "complete");
  assert.deepEqual([reply?.firstChunkMs, reply?.totalMs], [40, 1_500]);
  assert.equal(view.running, undefined);
  assert.equal(view.sequence, 6n);
});

test("a turn runs from its STATUS to its end, and its reply is there from RESPONSE_START on", () => {
  const [status, start, ...rest] = wholeTurn() as [ChatResponse, ChatResponse, ...ChatResponse[]];
  const waiting = after([status]);
  assert.deepEqual(waiting.running, { turnId: "a", model: "m", replyId: "" });
  const answering = applyEvent(waiting, start);
  assert.equal(answering.running?.replyId, "reply-a");
  assert.equal(answering.messages.at(-1)?.state, "streaming");
  assert.equal(after(rest, answering).running, undefined);
});

test("any replay that overlaps changes nothing", () => {
  const script = createScript();
  const events = [
    script.status("a", script.question("a")),
    script.queued("b", script.question("b", "b", Message_State.QUEUED)),
    script.start("a"),
    script.chunk("a", "w1 "),
    script.chunk("a", "w2 "),
    script.end("a", FinishReason.CANCELLED),
    script.status("b"),
    script.start("b"),
    script.chunk("b", "v1 "),
    script.updateOf("", "session_changed", { fields: ["title"], etag: "2" }),
    script.end("b"),
  ];
  const expected = after(events);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(events.length), fc.nat(events.length)), { maxLength: 6 }),
      (cuts) => {
        let view = emptyView;
        for (const [to, back] of cuts) {
          const from = Math.max(0, Number(view.sequence) - back);
          view = after(events.slice(from, Math.max(to, Number(view.sequence))), view);
        }
        view = after(events.slice(0), view);
        assert.deepEqual(view, expected);
      },
    ),
  );
});

test("chunks go on in the message that a listing had begun", () => {
  const reply = create(MessageSchema, {
    messageId: "reply-a",
    role: Message_Role.MODEL,
    turnId: "a",
    text: "w1 ",
    state: Message_State.STREAMING,
  });
  const question = create(MessageSchema, { messageId: "q", role: Message_Role.USER, text: "Hi" });
  const listing = { messages: [reply, question], nextPageToken: "older", epoch: 1, sequence: 3n };
  const view = viewOfListing(listing);
  assert.deepEqual(view.running, { turnId: "a", model: "", replyId: "reply-a" });
  assert.equal(view.olderToken, "older");
  const [, , , seen, next, end] = wholeTurn() as ChatResponse[];
  const later = after([next, end] as ChatResponse[], {
    ...after([seen as ChatResponse], view),
  });
  assert.deepEqual(textsOf(later), ["Hi", "w1 w1 w2"]);
  assert.equal(later.messages.length, 2);
});

test("a turn that waits comes last, and takes its place when it starts", () => {
  const script = createScript();
  const waiting = after([
    script.status("a", script.question("a")),
    script.queued("b", script.question("b", "b", Message_State.QUEUED)),
    script.queued("c", script.question("c", "c", Message_State.QUEUED)),
    script.start("a"),
    script.chunk("a", "reply"),
  ]);
  assert.deepEqual(textsOf(waiting), ["a", "reply", "b", "c"]);
  // INTERRUPT lets the last one begin first.
  const started = after([script.end("a"), script.status("c"), script.start("c")], waiting);
  assert.deepEqual(textsOf(started), ["a", "reply", "c", "", "b"]);
  assert.deepEqual(
    started.messages.map(({ state }) => state),
    ["complete", "complete", "complete", "streaming", "queued"],
  );
});

test("a turn that is cancelled while it waits takes its message along", () => {
  const script = createScript();
  const view = after([
    script.status("a", script.question("a")),
    script.queued("b", script.question("b", "b", Message_State.QUEUED)),
    script.end("b", FinishReason.CANCELLED),
  ]);
  assert.deepEqual(textsOf(view), ["a"]);
  assert.equal(view.failed, undefined);
  assert.equal(view.running?.turnId, "a");
});

test("a failure before the reply is the session's, one in the reply is the reply's", () => {
  const script = createScript();
  const before = after([
    script.status("a", script.question("a")),
    script.fail("a", "MODEL_UNAVAILABLE"),
  ]);
  assert.equal(before.failed?.errorReason, "MODEL_UNAVAILABLE");
  const within = after(
    [script.status("b"), script.start("b"), script.chunk("b", "w1"), script.fail("b", "X")],
    before,
  );
  assert.equal(within.failed, undefined);
  assert.equal(within.messages.at(-1)?.state, "partial");
  assert.equal(within.messages.at(-1)?.errorReason, "X");
});

test("REGENERATE replaces the reply, EDIT the message and what follows", () => {
  const script = createScript();
  const question = script.question("a", "Old");
  const first = after([
    script.status("a", question),
    script.start("a"),
    script.chunk("a", "one"),
    script.end("a"),
  ]);
  const again = after(
    [
      script.status("b", question),
      script.start("b"),
      script.replaced("b", ["reply-a"]),
      script.chunk("b", "two"),
      script.end("b"),
    ],
    first,
  );
  assert.deepEqual(textsOf(again), ["Old", "two"]);
  const edited = after(
    [
      script.status("c", script.question("c", "New")),
      script.replaced("c", ["question-a", "reply-b"]),
      script.start("c"),
      script.chunk("c", "three"),
    ],
    again,
  );
  assert.deepEqual(textsOf(edited), ["New", "three"]);
});

test("CONTINUE goes on in the same message", () => {
  const script = createScript();
  const question = script.question("a");
  const cut = after([
    script.status("a", question),
    script.start("a"),
    script.chunk("a", "w1 "),
    script.end("a", FinishReason.MAX_TOKENS),
  ]);
  const reply = cut.messages.at(-1);
  assert.ok(reply !== undefined && canContinue(reply));
  const whole = after(
    [
      script.status("b", question),
      script.start("b", "reply-a"),
      script.chunk("b", "w2"),
      script.end("b"),
    ],
    cut,
  );
  assert.deepEqual(textsOf(whole), ["a", "w1 w2"]);
  assert.equal(whole.messages.at(-1)?.finishReason, FinishReason.STOP);
});

test("older pages come in front, and nothing twice", () => {
  const message = (id: string) => create(MessageSchema, { messageId: id, text: id });
  const page = (ids: string[], nextPageToken = "") => ({
    messages: ids.map(message),
    nextPageToken,
  });
  const view = viewOfListing({ ...page(["4", "3"], "t"), epoch: 1, sequence: 9n });
  const older = prependOlder(view, page(["3", "2", "1"]));
  assert.deepEqual(textsOf(older), ["1", "2", "3", "4"]);
  assert.equal(older.olderToken, "");
  assert.equal(older.messages.at(-1), view.messages.at(-1), "what was there is the same object");
});

test("which turn runs is believed only where the answer is of the view's moment", () => {
  const view = { ...emptyView, sequence: 7n };
  const info = { runningTurnId: "a", lastSequence: 7n, model: "m" };
  assert.equal(withRunningTurn(view, info).running?.turnId, "a");
  assert.equal(withRunningTurn(view, { ...info, lastSequence: 8n }).running, undefined);
  assert.equal(withRunningTurn(view, { ...info, runningTurnId: "" }).running, undefined);
});

test("typing and unknown updates are unrecorded and move no sequence", () => {
  const update = (updateType: string) =>
    create(ChatResponseSchema, { type: ChatResponse_Type.SESSION_UPDATE, updateType });
  const typing = applyEvent(emptyView, update("typing_started"));
  assert.equal(typing.isTyping, true);
  assert.equal(applyEvent(typing, update("typing_stopped")).isTyping, false);
  assert.equal(applyEvent(typing, update("something_new")), typing);
  const script = createScript();
  const asked = applyEvent(typing, script.status("a", script.question("a")));
  assert.equal(asked.isTyping, false, "who sends has stopped typing");
});

test("a deleted session says so, and nothing runs in it", () => {
  const script = createScript();
  const view = after([
    script.status("a", script.question("a")),
    script.updateOf("", "session_deleted", {}),
  ]);
  assert.deepEqual([view.isDeleted, view.running], [true, undefined]);
});
