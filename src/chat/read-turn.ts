import { ChatError, sessionNotFound } from "./errors.ts";
import type { Event } from "./event.ts";
import type { EventLog } from "./event-log.ts";
import type { RunningTurn } from "./running-turn.ts";
import type { Store } from "./store.ts";

type TurnReading = {
  store: Store;
  log: EventLog;
  live: RunningTurn;
  /** A sequence before the turn's first event. */
  after: number;
  /** The signal of the call that reads. */
  call: AbortSignal;
};

/**
 * A turn's events, from its first to its end. The end is told once it is stored and the session is free, so
 * that what a client does next sees it. Throws the call's reason when that aborts, what readers are to be
 * told when the log has failed, and `not_found` when the session is deleted meanwhile.
 */
export async function* readTurn({
  store,
  log,
  live,
  after,
  call,
}: TurnReading): AsyncIterable<Event> {
  const { turnId, sessionId, principal } = live.turn;
  const signal = AbortSignal.any([call, live.fault]);
  for await (const event of log.read(sessionId, after, signal)) {
    if (event.turnId !== turnId) continue;
    if (event.type === "end") await unlessAborted(live.ended, signal);
    yield event;
    if (event.type === "end") return;
  }
  signal.throwIfAborted();
  if (!(await store.getSession(principal, sessionId))) throw sessionNotFound(sessionId);
  throw new ChatError("unavailable", "SERVER_STOPPED", "the server stopped in mid reply", {
    retryable: true,
  });
}

/** Resolves with the promise; throws the signal's reason as soon as it aborts. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
