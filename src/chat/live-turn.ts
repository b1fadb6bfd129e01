import type { ChatError } from "./errors.ts";
import type { Event } from "./event.ts";
import type { Part } from "./message.ts";
import { createReadership, type Readership } from "./readership.ts";
import { addChunk } from "./reply.ts";
import type { LayoutEntry, Turn, TurnEnd, TurnError } from "./turn.ts";
import { layoutOf } from "./turn-layout.ts";

/** Why a turn is ended from outside; the reason with which its signal is aborted. */
export type Stop = {
  finishReason: "cancelled" | "interrupted";
  error?: TurnError;
};

/** A turn that waits or runs in this process: what of it is recorded, who reads it, and how to end it. */
export interface LiveTurn {
  readonly turn: Turn;
  readonly readership: Readership;
  /** Aborts with a Stop when the turn is to end. */
  readonly signal: AbortSignal;
  /** Aborts with the ChatError that readers are to be told when the storage has failed. */
  readonly fault: AbortSignal;
  /** Resolves with the turn's recorded end; undefined when this process could not record one. */
  readonly ended: Promise<TurnEnd | undefined>;
  /** Ends the run; the first stop holds. */
  stop(stop: Stop): void;
  fail(error: ChatError): void;
  /** The turn's first event comes after this sequence. */
  readonly startsAfter: number;
  /** Takes events that are recorded now. */
  record(events: readonly Event[]): void;
  /** How many of the turn's events are recorded. */
  recorded(): number;
  /** Chunks among them. */
  chunks(): number;
  /** Whether the turn's end is among them. */
  hasEnd(): boolean;
  /** Whether readers know what the turn has replaced. */
  hasToldReplaced(): boolean;
  /** When the model began to answer, milliseconds since the run began. */
  firstChunkMs(): number | undefined;
  /** The reply that is recorded, and where its events stood in the log. */
  parts(): readonly Part[];
  layout(): readonly LayoutEntry[];
  settle(end: TurnEnd | undefined): void;
}

export type LiveTurnOptions = {
  turn: Turn;
  graceMs: number;
  /** The session's last sequence when the turn was made. */
  startsAfter: number;
  /** How many watch the session at the moment. */
  watchers: () => number;
  isDraining: () => boolean;
  /** Told what readers are told when the storage has failed. */
  onFailure: (error: ChatError) => void;
  /** Ends the turn because nobody is left who wants it; it may wait or run. */
  cancel: () => void;
  /** Events of the turn that were recorded before this process had it. */
  events?: readonly Event[];
};

export function createLiveTurn({ turn, events = [], ...options }: LiveTurnOptions): LiveTurn {
  const stopping = new AbortController();
  const failing = new AbortController();
  const { promise: ended, resolve } = Promise.withResolvers<TurnEnd | undefined>();
  const readership = createReadership({ onDisconnect: turn.onDisconnect, ...options });
  const parts: Part[] = [];
  const layout: LayoutEntry[] = [];
  let chunks = 0;
  let hasEnd = false;
  let hasToldReplaced = false;
  let firstChunkMs: number | undefined;

  const record = (recorded: readonly Event[]) => {
    for (const event of recorded) {
      layout.push(layoutOf(event));
      if (event.type === "start") firstChunkMs = event.elapsedMs;
      if (event.type === "end") hasEnd = true;
      if (isReplacement(event)) hasToldReplaced = true;
      if (event.type !== "chunk") continue;
      addChunk(parts, event);
      chunks += 1;
    }
  };
  record(events);

  return {
    turn,
    readership,
    signal: stopping.signal,
    fault: failing.signal,
    ended,
    stop: (stop) => stopping.abort(stop),
    fail(error) {
      if (failing.signal.aborted) return;
      failing.abort(error);
      options.onFailure(error);
    },
    startsAfter: options.startsAfter,
    record,
    recorded: () => layout.length,
    chunks: () => chunks,
    hasEnd: () => hasEnd,
    hasToldReplaced: () => hasToldReplaced,
    firstChunkMs: () => firstChunkMs,
    parts: () => parts,
    layout: () => layout,
    settle(end) {
      readership.end();
      resolve(end);
    },
  };
}

function isReplacement(event: Event): boolean {
  return event.type === "session_update" && event.updateType === "messages_replaced";
}
