import { ChatError } from "../chat/errors.ts";
import type { Event, LiveUpdate } from "../chat/event.ts";
import { isDeletion } from "../chat/session-reader.ts";
import { type ChatResponseInit, toLiveUpdate } from "./convert.ts";

/** Whether it says that a session is gone: what its readers get after `session_deleted`. */
export function isSessionGone(error: unknown): error is ChatError {
  return error instanceof ChatError && error.reason === "SESSION_NOT_FOUND";
}

/** Whether it tells that this session is deleted, and not another of the caller's list. */
export function tellsDeletion(event: Event | LiveUpdate, sessionId: string): boolean {
  if (event.type !== "live_update") return isDeletion(event);
  return event.sessionId === sessionId && event.updateType === "session_deleted";
}

/** The same for a reader that is behind: the event itself is gone with the session. */
export function toDeletion(sessionId: string, now: number): ChatResponseInit {
  const update = { type: "live_update", updateType: "session_deleted" } as const;
  return toLiveUpdate({ ...update, sessionId, data: {} }, now);
}

/**
 * What a stream reads of one of its sessions. The session's deletion ends the stream NOT_FOUND (DESIGN section 2,
 * rule 16), unless `goesOn` says, once it is deleted, that the stream has others left.
 */
export async function* unlessDeleted<T>(
  responses: AsyncIterable<T>,
  goesOn: () => boolean,
): AsyncIterable<T> {
  try {
    yield* responses;
  } catch (error) {
    if (!isSessionGone(error) || !goesOn()) throw error;
  }
}
