import type { NewEvent } from "../../src/chat/event.ts";

/** The n-th chunk of a turn. */
export function chunkEvent(number: number, text = `w${number} `): NewEvent {
  return { type: "chunk", text, number, at: 1_000 + number, elapsedMs: number };
}
