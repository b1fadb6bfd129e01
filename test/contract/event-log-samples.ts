import assert from "node:assert/strict";
import type { Event, NewEvent } from "../../src/chat/event.ts";
import type { Appended, EventBatch, EventLog } from "../../src/chat/event-log.ts";
import type { EventLogOptions } from "../../src/event-log/log.ts";
import { noUsage } from "./store-samples.ts";

/** A clock that stands still until the test moves it. */
export function createFakeClock(): EventLogOptions["clock"] & { advance(ms: number): void } {
  let nowMs = 1_000_000;
  return {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    advance(ms) {
      nowMs += ms;
    },
  };
}

export function chunk(text: string, number = 1): NewEvent {
  return { type: "chunk", text, number, at: 1, elapsedMs: 0.5 };
}

export const end: NewEvent = {
  type: "end",
  finishReason: "stop",
  model: "eliza",
  messageId: "m1",
  usage: noUsage,
  totalChunks: 1,
  messageCount: 2,
  processingMs: 1,
  at: 2,
  elapsedMs: 1,
};

/** How an append under a fence that has been overtaken is refused, and a read of what retention removed. */
export const staleFence = { kind: "aborted", reason: "STALE_FENCE" };
export const expired = { kind: "data_loss", reason: "EVENTS_EXPIRED" };

/** A batch of session s1's turn t1 under fence 1, of one chunk; `batch` is also its text. */
export function batchOf(batch: number, fields: Partial<EventBatch> = {}): EventBatch {
  const events = [chunk(String(batch), batch)];
  return { sessionId: "s1", turnId: "t1", fence: 1, batch, events, ...fields };
}

/** Events of a session that belong to no turn. */
export function updateOf(sessionId: string, ...names: string[]): EventBatch {
  const events = names.map(
    (name): NewEvent => ({
      type: "session_update",
      updateType: "session_changed",
      data: { name },
      at: 1,
      elapsedMs: 0,
    }),
  );
  return { sessionId, turnId: "", fence: 0, batch: 0, events };
}

/** What a turn of session s1 writes that waits, or is withdrawn: without a fence. */
export function waitingBatchOf(turnId: string, batch = 1, events?: NewEvent[]): EventBatch {
  const data = { turn_id: turnId, position: 1 };
  const queued = {
    type: "session_update",
    updateType: "turn_queued",
    at: 1,
    elapsedMs: 0,
  } as const;
  return { sessionId: "s1", turnId, fence: 0, batch, events: events ?? [{ ...queued, data }] };
}

/** The next `count` events of the session after `afterSequence`. */
export async function take(
  log: EventLog,
  sessionId: string,
  afterSequence: number,
  count: number,
): Promise<Event[]> {
  const events: Event[] = [];
  if (count === 0) return events;
  for await (const event of log.read(sessionId, afterSequence, new AbortController().signal)) {
    events.push(event);
    if (events.length === count) break;
  }
  return events;
}

/** Appends a whole turn of `chunks` chunks, whose end the store then has; returns where it stands. */
export async function appendTurn(
  log: EventLog,
  turnId: string,
  fence: number,
  chunks = 1,
  sessionId = "s1",
): Promise<Appended> {
  const events = [
    ...Array.from({ length: chunks }, (_item, index) => chunk(turnId, index + 1)),
    end,
  ];
  const place = await log.append({ sessionId, turnId, fence, batch: 1, events });
  await log.release(sessionId, turnId);
  return place;
}

/** The text of what an event says, to compare by. */
export function labelOf(event: Event): string {
  if (event.type === "chunk") return event.text;
  if (event.type !== "session_update") return event.type;
  return typeof event.data.name === "string" ? event.data.name : event.updateType;
}

/** That the events are the log's from `firstSequence` on, without a gap. */
export function assertFollows(events: readonly Event[], firstSequence: number): void {
  assert.deepEqual(
    events.map(({ sequence }) => sequence),
    events.map((_event, index) => firstSequence + index),
  );
}
