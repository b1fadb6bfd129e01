import type { EngineContext } from "./engine-context.ts";
import { serverStopped } from "./engine-context.ts";
import { ChatError, sessionNotFound } from "./errors.ts";
import type { Event } from "./event.ts";
import type { Lane } from "./lane.ts";
import type { LiveTurn } from "./live-turn.ts";
import { readEvents } from "./replay.ts";
import type { Principal } from "./session.ts";
import { tellEnd } from "./tell-end.ts";
import { unlessAborted } from "./unless-aborted.ts";

/**
 * What one call gets of a session: the turns that it started or joined, and the events that belong to no turn
 * (DESIGN section 2, rule 4). The events of a turn come in order and once each; a turn's end comes when it is
 * stored, so that what a client does next sees it.
 *
 * Ends after `finish` with the end of its last turn. Throws `not_found` after a `session_deleted`, which follows
 * where the session's deletion has ended that turn (rule 16), what readers are told when the storage fails, and
 * `unavailable`/SERVER_STOPPED when the log closes.
 */
export interface SessionReader extends AsyncIterable<Event> {
  /** Delivers a turn's events after `afterSequence`; its live turn where this process runs it. */
  add(turnId: string, afterSequence: number, live: LiveTurn | undefined): void;
  /** No further turn will be added. */
  finish(): void;
}

export function createSessionReader(
  context: EngineContext,
  { principal, sessionId }: { principal: Principal; sessionId: string },
  call: AbortSignal,
): SessionReader {
  const lane = context.lanes.get(sessionId);
  type Followed = { delivered: number; live: LiveTurn | undefined };
  const followed = new Map<string, Followed>();
  const failed = new AbortController();
  /** Aborted to read again from an earlier sequence, or to look whether to end. */
  let round = new AbortController();
  let finishing = false;
  let started = false;
  /** The last event that was read, and the last that was delivered of those that belong to no turn. */
  let position = 0;
  let deliveredOfSession = 0;

  const isDone = () => finishing && followed.size === 0;
  /** Nothing is left to read; where the session is being deleted, that is. */
  const isOver = async () => isDone() && !(await isDeleted(context, sessionId, call));

  const take = async (event: Event): Promise<boolean> => {
    if (event.turnId === "") {
      if (event.sequence <= deliveredOfSession) return false;
      deliveredOfSession = event.sequence;
      return true;
    }
    const turn = followed.get(event.turnId);
    if (!turn || event.sequence <= turn.delivered) return false;
    turn.delivered = event.sequence;
    if (event.type !== "end") return true;
    if (turn.live) await unlessAborted(turn.live.ended, AbortSignal.any([call, failed.signal]));
    followed.delete(event.turnId);
    return true;
  };

  async function* events(): AsyncGenerator<Event> {
    const leave = lane?.read();
    try {
      while (!(await isOver())) {
        round = new AbortController();
        const signal = AbortSignal.any([call, failed.signal, round.signal]);
        const session = { principal, sessionId, lane };
        for await (const event of readSession(context, session, position, signal)) {
          // What comes after the abort is read again from where that wants it.
          if (round.signal.aborted) break;
          position = event.sequence;
          if (await take(event)) yield event;
          if (isDeletion(event)) throw sessionNotFound(sessionId);
          if (isDone() && (await isOver())) return;
        }
        call.throwIfAborted();
        failed.signal.throwIfAborted();
        if (!round.signal.aborted) throw await whyEnded(context, principal, sessionId);
      }
    } finally {
      leave?.();
    }
  }

  return {
    add(turnId, afterSequence, live) {
      followed.set(turnId, { delivered: afterSequence, live });
      live?.fault.addEventListener("abort", () => failed.abort(live.fault.reason), { once: true });
      if (live?.fault.aborted) failed.abort(live.fault.reason);
      if (!started) deliveredOfSession = afterSequence;
      if (!started || afterSequence < position) {
        position = afterSequence;
        round.abort("read again");
      }
      started = true;
    },
    finish() {
      finishing = true;
      if (isDone()) round.abort("read again");
    },
    [Symbol.asyncIterator]: events,
  };
}

/**
 * The events of a session as readEvents gives them; `not_found` where it was deleted before the reader came to
 * its log, which has nothing of it then.
 */
export function readSession(
  context: EngineContext,
  {
    principal,
    sessionId,
    lane,
  }: { principal: Principal; sessionId: string; lane: Lane | undefined },
  afterSequence: number,
  signal: AbortSignal,
): AsyncIterable<Event> {
  const { store, log } = context;
  if (lane?.deleted) throw sessionNotFound(sessionId);
  return tellEnd(readEvents(store, log, sessionId, afterSequence, signal), {
    async onError(error) {
      const isBehind = error instanceof ChatError && error.reason === "SEQUENCE_OUT_OF_RANGE";
      if (!isBehind) return error;
      const isThere = !lane?.deleted && (await store.getSession(principal, sessionId));
      return isThere ? error : sessionNotFound(sessionId);
    },
  });
}

/** Why the log has nothing more of a session: it was deleted, or the server stops. */
export async function whyEnded(
  { store, lanes }: EngineContext,
  principal: Principal,
  sessionId: string,
): Promise<ChatError> {
  if (lanes.get(sessionId)?.deleted) return sessionNotFound(sessionId);
  const session = await store.getSession(principal, sessionId);
  return session ? serverStopped() : sessionNotFound(sessionId);
}

/** Whether the session is gone; while it is being deleted that is waited for. */
export async function isDeleted(
  { lanes }: EngineContext,
  sessionId: string,
  call: AbortSignal,
): Promise<boolean> {
  const deletion = lanes.get(sessionId)?.deletion();
  return (deletion && (await unlessAborted(deletion, call))) ?? false;
}

/** Whether the session ends with this event. */
export function isDeletion(event: Event): boolean {
  return event.type === "session_update" && event.updateType === "session_deleted";
}
