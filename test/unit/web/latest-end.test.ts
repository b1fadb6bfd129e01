import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  type ChatResponse,
  FinishReason,
  Message_Role,
  MessageSchema,
} from "../../../src/gen/chat/chat_pb.ts";
import { latestEndOf, withLatestEnd } from "../../../web/src/session/latest-end.ts";
import { type SessionView, viewOfListing } from "../../../web/src/session/session-view.ts";
import { createScript } from "./events.ts";

function reply(turnId: string, sequence: bigint) {
  return create(MessageSchema, {
    messageId: `reply-${turnId}`,
    role: Message_Role.MODEL,
    turnId,
    sequence,
  });
}

/** Reads a session with these messages, oldest first, after these events. */
function read(
  messages: readonly ReturnType<typeof reply>[],
  events: readonly ChatResponse[],
): { view: SessionView; from: bigint } {
  const sequence = events.at(-1)?.sequence ?? 0n;
  const listing = { messages: messages.toReversed(), nextPageToken: "", epoch: 1, sequence };
  const latest = latestEndOf(listing);
  const told = events.filter((event) => event.sequence > latest.from);
  return { view: withLatestEnd(viewOfListing(listing), latest, told), from: latest.from };
}

test("a session is watched from its latest reply's end, so that a long one is not told again", () => {
  const listing = { messages: [reply("b", 4_000n), reply("a", 20n)], sequence: 4_003n };
  assert.deepEqual(latestEndOf(listing), { from: 3_999n, to: 4_003n, replySequence: 4_000n });
});

test("no more than 100 events are told again, whatever was replaced in between", () => {
  assert.equal(latestEndOf({ messages: [reply("a", 20n)], sequence: 9_000n }).from, 8_900n);
  assert.equal(latestEndOf({ messages: [], sequence: 9_000n }).from, 8_900n);
});

test("a session without events, and one that remembers more than its log, are watched from what there is", () => {
  assert.deepEqual(latestEndOf({ messages: [], sequence: 0n }), {
    from: 0n,
    to: 0n,
    replySequence: 0n,
  });
  const restored = latestEndOf({ messages: [reply("b", 70n), reply("a", 20n)], sequence: 30n });
  assert.deepEqual(restored, { from: 19n, to: 30n, replySequence: 20n });
});

test("a turn without a reply ended as its last event says, not as an older one's", () => {
  const { question, status, fail, updateOf } = createScript();
  const asked = question("a");
  const { view } = read(
    [asked],
    [
      status("a", asked),
      fail("a", "MODEL_UNAVAILABLE"),
      status("b", asked),
      fail("b", "MODEL_RATE_LIMITED"),
      updateOf("", "session_changed", { fields: ["title"] }),
    ],
  );
  assert.deepEqual([view.failed?.turnId, view.failed?.errorReason], ["b", "MODEL_RATE_LIMITED"]);
});

test("a turn that was withdrawn while it waited is not the latest one's end", () => {
  const { question, status, start, end, queued } = createScript();
  const asked = question("a");
  const events = [
    status("a", asked),
    queued("b", question("b")),
    start("a"),
    end("a", FinishReason.STOP, { messageId: "reply-a" }),
    end("b", FinishReason.CANCELLED),
  ];
  const { view } = read([asked, reply("a", 4n)], events);
  assert.equal(view.failed, undefined);
  assert.equal(view.messages.at(-1)?.totalMs, 1_500);
});

test("of a reply that was replaced nothing comes back", () => {
  const { question, status, start, chunk, end, replaced, fail } = createScript();
  const edited = question("b");
  const { view } = read(
    [edited],
    [
      status("a", question("a")),
      start("a"),
      chunk("a", "old"),
      end("a"),
      status("b", edited),
      replaced("b", ["question-a", "reply-a"]),
      fail("b", "MODEL_UNAVAILABLE"),
    ],
  );
  assert.deepEqual(
    view.messages.map(({ id }) => id),
    ["question-b"],
  );
  assert.equal(view.failed?.turnId, "b");
});

test("a turn that runs and has said nothing is known to run", () => {
  const { question, status, fail } = createScript();
  const asked = question("a");
  const { view } = read(
    [asked],
    [status("a", asked), fail("a", "MODEL_UNAVAILABLE"), status("b", asked)],
  );
  assert.deepEqual(view.running, { turnId: "b", model: "m", replyId: "" });
  assert.equal(view.failed, undefined);
});

test("a copied message, which belongs to no turn, has no end", () => {
  const { updateOf } = createScript();
  const copied = create(MessageSchema, { messageId: "q", role: Message_Role.USER });
  const { view } = read([copied], [updateOf("", "session_changed", { fields: ["title"] })]);
  assert.deepEqual([view.failed, view.running], [undefined, undefined]);
});
