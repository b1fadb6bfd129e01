import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Event } from "../../../src/chat/event.ts";
import { createLiveTurn } from "../../../src/chat/live-turn.ts";
import { noUsage } from "../../../src/chat/tokens.ts";
import type { TurnType } from "../../../src/chat/turn.ts";
import { questionOf, storedEnd } from "../../../src/chat/turn-end.ts";
import { eventsOf, layoutOf } from "../../../src/chat/turn-layout.ts";
import { createTurn, unattended } from "../../support/engine.ts";

const types: TurnType[] = ["message", "edit", "regenerate", "continue"];

describe("a turn's layout", () => {
  it("gives back any turn's events exactly, with the stored reply", () => {
    fc.assert(
      fc.property(anyTurn(), ({ turn, events }) => {
        const end = events.at(-1);
        assert.ok(end?.type === "end");
        const live = createLiveTurn({ turn, events, ...unattended });
        const stored = { turn, state: "ended", fence: 1, end: storedEnd(live, 1, end) } as const;
        // As an adapter keeps it: a copy, in which what is undefined may be missing.
        assert.deepEqual(eventsOf(JSON.parse(JSON.stringify(stored))), events);
      }),
      { numRuns: 500 },
    );
  });

  it("keeps no text and no question", () => {
    fc.assert(
      fc.property(anyTurn(), ({ turn, events }) => {
        const kept = JSON.stringify(events.map(layoutOf));
        assert.ok(!kept.includes(turn.userMessage.messageId));
        for (const event of events) {
          if (event.type === "chunk") assert.ok(!("text" in layoutOf(event)));
        }
      }),
    );
  });

  it("gives nothing of a turn without an end", () => {
    assert.deepEqual(eventsOf({ turn: createTurn(), state: "running", fence: 1 }), []);
  });
});

/** A turn and all its events, in the order of the contract. */
function anyTurn() {
  const chunk = fc.record({
    text: fc.string({ unit: "binary", minLength: 1 }),
    thought: fc.boolean(),
  });
  const choices = fc.record({
    type: fc.constantFrom(...types),
    isQueued: fc.boolean(),
    hasStatus: fc.boolean(),
    chunks: fc.array(chunk),
    signature: fc.option(fc.string(), { nil: undefined }),
    gaps: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
  });
  return choices.map(({ type, isQueued, hasStatus, chunks, signature, gaps }) => {
    const turn = createTurn({ type, replaces: type === "message" ? [] : ["old"] });
    const bodies = bodiesOf({ turn, isQueued, hasStatus, chunks, signature });
    let sequence = 0;
    const events = bodies.map((body, index) => {
      sequence += gaps[index % gaps.length] ?? 1;
      const { turnId } = turn;
      const state = isQueued ? "queued" : "complete";
      const question = index === 0 && {
        ...questionOf(turn),
        userMessage: { ...turn.userMessage, state },
      };
      return { ...body, ...question, at: 1_000 + index, elapsedMs: index, sequence, turnId };
    });
    return { turn, events: events as Event[] };
  });
}

type Choices = {
  turn: ReturnType<typeof createTurn>;
  isQueued: boolean;
  hasStatus: boolean;
  chunks: readonly { text: string; thought: boolean }[];
  signature: string | undefined;
};

function bodiesOf({ turn, isQueued, hasStatus, chunks, signature }: Choices): object[] {
  const { turnId, replaces, type } = turn;
  const update = { type: "session_update" };
  const queued = { ...update, updateType: "turn_queued", data: { turn_id: turnId, position: 1 } };
  const data = { message_ids: replaces, by_turn_id: turnId };
  const replaced = { ...update, updateType: "messages_replaced", data };
  const status = { type: "status", model: "test", contextMessages: 3 };
  const start = { type: "start", model: "test", messageId: turn.replyMessageId };
  const end = {
    type: "end",
    finishReason: "stop",
    model: "test",
    messageId: turn.replyMessageId,
    usage: noUsage,
    totalChunks: chunks.length,
    messageCount: 2,
    processingMs: 9,
    ...(signature !== undefined && { signature }),
  };
  const said = chunks.map(({ text, thought }, index) => {
    return { type: "chunk", text, number: index + 1, ...(thought && { thought: true }) };
  });
  const reply = chunks.length > 0 ? [start, ...said] : [];
  return [
    ...(isQueued ? [queued] : []),
    ...(isQueued && type === "edit" ? [replaced] : []),
    ...(hasStatus ? [status] : []),
    ...(hasStatus ? reply : []),
    end,
  ];
}
