import { ChatError } from "../chat/errors.ts";
import type { TurnEnd } from "../chat/turn.ts";

/** The turn was acquired by somebody else, or by nobody: its end is not this writer's to store. */
export function staleFence({ turnId, fence }: TurnEnd): ChatError {
  const message = `turn "${turnId}" was not acquired with fence ${fence}`;
  return new ChatError("aborted", "STALE_FENCE", message, { metadata: { turn_id: turnId } });
}

export function turnNotFound({ turnId }: TurnEnd): ChatError {
  return new ChatError("not_found", "TURN_NOT_FOUND", `there is no turn "${turnId}"`, {
    metadata: { turn_id: turnId },
  });
}

/** The idempotency key was used for something else (DESIGN section 2, rule 7). */
export function requestIdReused(requestId: string): ChatError {
  const message = `request_id "${requestId}" was used for another request`;
  const metadata = { request_id: requestId };
  return new ChatError("already_exists", "REQUEST_ID_REUSED", message, { metadata });
}

/** As many turns wait in the session as may. */
export function queueFull(sessionId: string, queuedTurnsMax: number): ChatError {
  const message = `${queuedTurnsMax} turns wait in the session already`;
  return new ChatError("resource_exhausted", "QUEUE_FULL", message, {
    retryable: true,
    retryAfterMs: 1_000,
    metadata: { session_id: sessionId, queued_turns_max: String(queuedTurnsMax) },
  });
}

/** The principal has as many sessions as it may; waiting does not help. */
export function tooManySessions(sessionsMax: number): ChatError {
  const description = `${sessionsMax} sessions`;
  const message = `you may have ${description}; delete one that you no longer need`;
  return new ChatError("resource_exhausted", "TOO_MANY_SESSIONS", message, {
    quotas: [{ subject: "SESSIONS_PER_PRINCIPAL_MAX", description }],
  });
}

/** The session's settings have changed since the caller read them. */
export function etagMismatch(sessionId: string, etag: string): ChatError {
  const message = `the session has changed; its etag is ${etag} now`;
  return new ChatError("aborted", "ETAG_MISMATCH", message, {
    metadata: { session_id: sessionId, etag },
  });
}

/** The message up to which a fork was to go is none that the session shows. */
export function forkEndNotFound(messageId: string): ChatError {
  const message = `the session shows no message "${messageId}"`;
  const metadata = { message_id: messageId };
  return new ChatError("not_found", "MESSAGE_NOT_FOUND", message, { metadata });
}
