import { openSync, readFileSync, writeSync } from "node:fs";
import type { Event } from "../../src/chat/event.ts";
import type { TurnRequest } from "../../src/chat/turn-request.ts";

/** What a process has told the world before it was killed. */
export type Entry =
  /** A step that touches the storage is about to be made, or has been. */
  | { type: "step"; name: string }
  | { type: "session"; sessionId: string }
  /** A request for a turn was made, and answered. */
  | { type: "asked"; request: TurnRequest }
  | { type: "started"; requestId: string; turnId: string }
  | { type: "cancelled"; turnId: string }
  | { type: "deleted"; sessionId: string }
  /** A client has been given the event. */
  | { type: "seen"; sessionId: string; event: Event }
  /** A model was called; each turn of the conversation has a model of its own. */
  | { type: "called"; model: string };

/** Keeps what a process says where `kill -9` cannot take it back: each entry is written before `write` returns. */
export type Journal = { write(entry: Entry): void };

export function openJournal(file: string): Journal {
  const descriptor = openSync(file, "a");
  return { write: (entry) => void writeSync(descriptor, `${JSON.stringify(entry)}\n`) };
}

export function readJournal(file: string): Entry[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line): Entry => JSON.parse(line));
}

/** The entries of one type. */
export function entriesOf<Type extends Entry["type"]>(entries: readonly Entry[], type: Type) {
  return entries.filter((entry): entry is Extract<Entry, { type: Type }> => entry.type === type);
}
