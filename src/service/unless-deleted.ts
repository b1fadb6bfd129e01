import { ChatError } from "../chat/errors.ts";

/** Whether it says that a session is gone: what its readers get after `session_deleted`. */
export function isSessionGone(error: unknown): error is ChatError {
  return error instanceof ChatError && error.reason === "SESSION_NOT_FOUND";
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
