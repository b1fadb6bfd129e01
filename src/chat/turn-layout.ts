import type { Event, EventBody } from "./event.ts";
import { type Message, textOf, thoughtsOf } from "./message.ts";
import type { StoredTurn } from "./store.ts";
import type { LayoutEntry, Turn } from "./turn.ts";

/** What an event leaves in its turn's layout. The question stays out: it is a message already. */
export function layoutOf(event: Event): LayoutEntry {
  const { sequence, at, elapsedMs, turnId: _turnId, ...body } = event;
  const place = { sequence, at, elapsedMs };
  if (body.type === "chunk") {
    return {
      ...place,
      type: "chunk",
      length: body.text.length,
      ...(body.thought && { thought: true }),
    };
  }
  if (!("userMessage" in body) || body.userMessage === undefined) {
    return { ...place, type: "other", body };
  }
  const { userMessage: _userMessage, ...rest } = body;
  return { ...place, type: "question", body: rest };
}

/** Tells an ended turn's events again, exactly as they were recorded. */
export function eventsOf({ turn, end }: StoredTurn): Event[] {
  if (!end) return [];
  const text = createCutter(textOf(end.parts));
  const thoughts = createCutter(thoughtsOf(end.parts));
  let number = 0;
  return end.layout.map((entry): Event => {
    const { sequence, at, elapsedMs } = entry;
    const common = { turnId: turn.turnId, sequence, at, elapsedMs };
    if (entry.type !== "chunk") {
      const question = entry.type === "question" && { userMessage: questionOf(turn, entry.body) };
      return { ...common, ...entry.body, ...question } as Event;
    }
    number += 1;
    const cut = entry.thought ? thoughts : text;
    const chunk = { type: "chunk" as const, text: cut(entry.length), number };
    return { ...common, ...chunk, ...(entry.thought && { thought: true as const }) };
  });
}

/** The question as an event has told it: one that waited was queued then. */
function questionOf({ userMessage }: Turn, body: EventBody): Message {
  const waited = body.type === "session_update" && body.updateType === "turn_queued";
  return { ...userMessage, state: waited ? "queued" : "complete" };
}

/** Gives a text piece by piece. */
function createCutter(text: string): (length: number) => string {
  let from = 0;
  return (length) => {
    const piece = text.slice(from, from + length);
    from += length;
    return piece;
  };
}
