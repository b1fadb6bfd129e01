import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ChatError } from "../../../src/chat/errors.ts";
import type { Event, NewEvent } from "../../../src/chat/event.ts";
import { createLiveTurn } from "../../../src/chat/live-turn.ts";
import { noUsage } from "../../../src/chat/tokens.ts";
import { createCall } from "../../support/calls.ts";
import { createTurn, unattended } from "../../support/engine.ts";
import { chunkEvent } from "../../support/events.ts";
import { textPart, thoughtPart } from "../../support/models.ts";

describe("a live turn", () => {
  it("keeps the first stop and the first fault", () => {
    const faults: ChatError[] = [];
    const live = open([], faults);
    const fault = new ChatError("unavailable", "STORAGE_UNAVAILABLE", "first");
    live.stop({ finishReason: "cancelled" });
    live.stop({ finishReason: "interrupted" });
    live.fail(fault);
    live.fail(new ChatError("unavailable", "STORAGE_UNAVAILABLE", "second"));
    assert.deepEqual(live.signal.reason, { finishReason: "cancelled" });
    assert.equal(live.fault.reason, fault);
    assert.deepEqual(faults, [fault]);
  });

  it("knows what of it is told: what it has replaced, and its end", () => {
    const live = open();
    assert.deepEqual([live.hasToldReplaced(), live.hasEnd()], [false, false]);
    live.record(recorded([statusEvent, replacedEvent]));
    assert.deepEqual([live.hasToldReplaced(), live.hasEnd()], [true, false]);
    live.record(recorded([endEvent], 3));
    assert.deepEqual([live.hasToldReplaced(), live.hasEnd()], [true, true]);
  });

  it("lets its calls go when it is over", async () => {
    const live = open();
    const call = createCall();
    live.readership.join(call, true);
    live.settle(undefined);
    assert.equal(await live.ended, undefined);
    assert.equal(call.listeners(), 0);
  });

  it("has the reply that is recorded, and when the model began", () => {
    const live = open();
    assert.equal(live.firstChunkMs(), undefined);
    live.record(recorded([statusEvent, startEvent]));
    assert.deepEqual([live.firstChunkMs(), live.chunks(), live.parts()], [30, 0, []]);
    const thought = { ...chunkEvent(1), thought: true } as NewEvent;
    const chunks = [thought, chunkEvent(2), chunkEvent(3)];
    live.record(recorded(chunks, 5));
    assert.deepEqual(live.parts(), [thoughtPart("w1 "), textPart("w2 w3 ")]);
    assert.deepEqual([live.recorded(), live.chunks()], [5, 3]);
    assert.deepEqual(
      live.layout().map(({ sequence }) => sequence),
      [1, 2, 5, 6, 7],
    );
  });

  it("goes on from the events that it had before this process", () => {
    const live = open(recorded([statusEvent, startEvent, chunkEvent(1)]));
    assert.deepEqual([live.recorded(), live.chunks()], [3, 1]);
    assert.deepEqual(live.parts(), [textPart("w1 ")]);
  });
});

const statusEvent: NewEvent = {
  type: "status",
  model: "test",
  contextMessages: 1,
  at: 1_000,
  elapsedMs: 0,
};
const startEvent: NewEvent = {
  type: "start",
  model: "fallback",
  messageId: "turn-reply",
  at: 1_030,
  elapsedMs: 30,
};

const replacedEvent: NewEvent = {
  type: "session_update",
  updateType: "messages_replaced",
  data: { message_ids: ["old"], by_turn_id: "turn" },
  at: 1_000,
  elapsedMs: 0,
};
const endEvent: NewEvent = {
  type: "end",
  finishReason: "stop",
  model: "test",
  messageId: "turn-reply",
  usage: noUsage,
  totalChunks: 0,
  messageCount: 1,
  processingMs: 40,
  at: 1_040,
  elapsedMs: 40,
};

function recorded(events: readonly NewEvent[], firstSequence = 1): Event[] {
  return events.map((event, index) => {
    return { ...event, sequence: firstSequence + index, turnId: "turn" } as Event;
  });
}

function open(events: readonly Event[] = [], faults: ChatError[] = []) {
  const turn = createTurn({ onDisconnect: "continue" });
  return createLiveTurn({ turn, events, ...unattended, onFailure: (error) => faults.push(error) });
}
