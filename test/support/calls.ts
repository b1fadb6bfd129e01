import { getEventListeners } from "node:events";
import type { Call, Departure } from "../../src/chat/call.ts";

/** A call whose end a test decides. */
export type TestCall = Call & {
  /** The caller resets the call, and means it. */
  cancel(): void;
  /** The caller is lost; as far as the turns know, also how a call ends by itself. */
  lose(reason?: unknown): void;
  /** Listeners that the call still has. */
  listeners(): number;
};

export function createCall(): TestCall {
  const controller = new AbortController();
  const { signal } = controller;
  let departure: Departure = "lost";
  return {
    signal,
    departure: async () => departure,
    cancel() {
      departure = "cancelled";
      controller.abort(new Error("reset"));
    },
    lose: (reason = new Error("lost")) => controller.abort(reason),
    listeners: () => getEventListeners(signal, "abort").length,
  };
}
