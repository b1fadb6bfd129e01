import { ChatError } from "../chat/errors.ts";
import type { EventBatch } from "../chat/event-log.ts";

/** A later owner has written to the session, or the turn has had its end. */
export function staleFence({ sessionId, turnId, fence }: EventBatch, why: string): ChatError {
  const message = `turn "${turnId}" cannot be written with fence ${fence}: ${why}`;
  const metadata = { session_id: sessionId, turn_id: turnId };
  return new ChatError("aborted", "STALE_FENCE", message, { metadata });
}

/** The reader asks for what comes after a sequence that is still to come. */
export function sequenceOutOfRange(afterSequence: number, lastSequence: number): ChatError {
  const message = `there is no event ${afterSequence}; the last one is ${lastSequence}`;
  const metadata = { last_sequence: String(lastSequence) };
  return new ChatError("out_of_range", "SEQUENCE_OUT_OF_RANGE", message, { metadata });
}

/** Retention has removed what the reader should get next. */
export function eventsExpired(sequence: number, floor: number, lastSequence: number): ChatError {
  const message = `event ${sequence} is no longer kept; the first one that is would be ${floor + 1}`;
  const metadata = { kept_after_sequence: String(floor), last_sequence: String(lastSequence) };
  return new ChatError("data_loss", "EVENTS_EXPIRED", message, { metadata });
}

export function logClosed(): ChatError {
  return new ChatError("unavailable", "SERVER_STOPPED", "the event log is closed", {
    retryable: true,
  });
}
