import type { Message } from "../chat/message.ts";

/**
 * Where a message stands in its session's history: by the start of its turn, the question before the
 * reply; queued ones last, by the order in which they were sent. It changes once, when the turn starts.
 */
export type MessageOrder = number;

/** Past every turn that a session can start. */
const queued = 2 ** 40;

/** The order of a message whose turn is queued; `queueOrder` counts the session's turns from 1. */
export function queuedOrder(queueOrder: number): MessageOrder {
  return queued + queueOrder * 2;
}

/** The order of a message whose turn started as the session's `position`th, from 1. */
export function startedOrder(position: number, role: Message["role"]): MessageOrder {
  return position * 2 + (role === "user" ? 0 : 1);
}
