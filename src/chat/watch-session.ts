import type { Call } from "./call.ts";
import type { Caller } from "./caller.ts";
import {
  cursorAhead,
  type EngineContext,
  epochOf,
  listOf,
  openLane,
  refuseOtherEpoch,
  requireSession,
} from "./engine-context.ts";
import { ChatError, sessionNotFound } from "./errors.ts";
import type { Event, LiveUpdate } from "./event.ts";
import type { Lane } from "./lane.ts";
import { createMerge } from "./merge.ts";
import type { Principal } from "./session.ts";
import { isDeleted, isDeletion, readSession, whyEnded } from "./session-reader.ts";
import { unlessAborted } from "./unless-aborted.ts";
import { whenAborted } from "./when-aborted.ts";

export type WatchRequest = {
  /** Empty to watch the list of sessions alone. */
  sessionId: string;
  afterSequence: number;
  /** 0 where the caller does not say. */
  afterEpoch: number;
  untilIdle: boolean;
  sessionList: boolean;
};

/** What a watcher gets. */
export type Watched = Event | LiveUpdate;

/** Updates that may wait for a watcher that does not keep up. */
const bufferedUpdatesMax = 1_000;

/**
 * Everything that happens in a session after a sequence: replay, then live (DESIGN section 2, rule 6); with
 * `sessionList` also what happens to the principal's sessions. See Engine.watchSession.
 */
export async function* watchSession(
  context: EngineContext,
  { principal, isShared }: Caller,
  request: WatchRequest,
  call: Call,
): AsyncGenerator<Watched> {
  const { signal } = call;
  const merge = createMerge<Watched>({ signal });
  if (request.sessionList && !isShared) {
    merge.addBackground(listOf(context, principal).listen({ signal, ...boundedUpdates }));
  }
  if (request.sessionId === "") {
    yield update("", "watching", {});
    // It ends with the call alone, or with the server.
    merge.add(never(signal));
  } else {
    const lane = await openWatched(context, principal, request, call);
    const lastSequence = await context.log.lastSequence(lane.sessionId);
    merge.addBackground(lane.updates.listen({ signal, ...boundedUpdates }));
    merge.addBackground(faultsOf(lane, signal));
    yield update(lane.sessionId, "watching", { last_sequence: lastSequence, ...stateOf(lane) });
    merge.add(readLane(context, lane, request, lastSequence, signal));
  }
  merge.addBackground(drainNotice(context, request.sessionId, signal));
  yield* merge;
}

/** The lane of a session, with the call as one more of its watchers. */
async function openWatched(
  context: EngineContext,
  principal: Principal,
  request: WatchRequest,
  call: Call,
): Promise<Lane> {
  const session = await requireSession(context, principal, request.sessionId);
  await epochOf(context, session);
  const lastSequence = await context.log.lastSequence(session.sessionId);
  const lane = await openLane(context, session);
  refuseCursor(lane, request, lastSequence);
  if (lane.watchers() >= context.watchersMax) throw tooManyWatchers();
  lane.watch(call);
  return lane;
}

/** Says that the server drains, as soon as it does. */
async function* drainNotice(
  { drain, log }: EngineContext,
  sessionId: string,
  signal: AbortSignal,
): AsyncGenerator<LiveUpdate> {
  if (!(await whenAborted(drain.began.signal, signal))) return;
  const lastSequence = sessionId === "" ? 0 : await log.lastSequence(sessionId);
  yield update(sessionId, "draining", { last_sequence: lastSequence });
}

/** Throws what watchers are told when the storage fails under one of the session's turns. */
function faultsOf(lane: Lane, signal: AbortSignal): AsyncIterable<never> {
  const faults = lane.faults.listen({ signal, ...boundedUpdates })[Symbol.asyncIterator]();
  return iterableOf<never>(async () => {
    const fault = await faults.next();
    if (!fault.done) throw fault.value;
    return { done: true, value: undefined };
  });
}

/** Gives nothing until the signal aborts. */
function never(signal: AbortSignal): AsyncIterable<never> {
  return iterableOf<never>(async () => {
    await whenAborted(signal, signal);
    return { done: true, value: undefined };
  });
}

function iterableOf<T>(next: () => Promise<IteratorResult<T>>): AsyncIterable<T> {
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

/** What bounds the updates that wait for one listener. */
const boundedUpdates = {
  bufferedMax: bufferedUpdatesMax,
  onOverflow: () =>
    new ChatError("resource_exhausted", "TOO_SLOW", "the watcher does not keep up; list again", {
      retryable: true,
    }),
};

/** The recorded events, with `live` after the replay. */
async function* readLane(
  context: EngineContext,
  lane: Lane,
  request: WatchRequest,
  replayed: number,
  signal: AbortSignal,
): AsyncGenerator<Watched> {
  const { log } = context;
  const { sessionId, principal } = lane;
  let position = request.afterSequence;
  let isLive = false;
  const goLive = function* () {
    if (isLive || position < replayed) return;
    isLive = true;
    yield update(sessionId, "live", { last_sequence: position, ...stateOf(lane) });
  };
  const isIdle = async () => lane.isIdle() && position >= (await log.lastSequence(sessionId));
  const isOver = async () =>
    request.untilIdle &&
    isLive &&
    (await isIdle()) &&
    !(await isDeleted(context, sessionId, signal)) &&
    isIdle();

  const leave = lane.read();
  try {
    yield* goLive();
    if (await isOver()) return;
    const session = { principal, sessionId, lane };
    for await (const event of readSession(context, session, position, signal)) {
      // A turn's end is told when it is stored, so that what a client does next sees it.
      const live = event.type === "end" ? lane.find(event.turnId) : undefined;
      if (live) await unlessAborted(live.ended, signal);
      position = event.sequence;
      yield event;
      if (isDeletion(event)) throw sessionNotFound(sessionId);
      yield* goLive();
      if (await isOver()) return;
    }
    signal.throwIfAborted();
    throw await whyEnded(context, principal, sessionId);
  } finally {
    leave();
  }
}

function stateOf(lane: Lane) {
  const queued_turn_ids = lane.queued.map(({ turn }) => turn.turnId);
  return { epoch: lane.epoch, running_turn_id: lane.running?.turn.turnId ?? "", queued_turn_ids };
}

function update(
  sessionId: string,
  updateType: LiveUpdate["updateType"],
  data: LiveUpdate["data"],
): LiveUpdate {
  return { type: "live_update", sessionId, updateType, data };
}

/** A cursor of another epoch stands for events that are lost; one ahead of the log for none. */
function refuseCursor(lane: Lane, request: WatchRequest, lastSequence: number): void {
  refuseOtherEpoch(lane, request.afterEpoch);
  if (request.afterSequence <= lastSequence) return;
  throw cursorAhead(lane.epoch, lastSequence);
}

function tooManyWatchers(): ChatError {
  const text = "the session has as many watchers as it may have";
  return new ChatError("resource_exhausted", "TOO_MANY_WATCHERS", text, {
    retryable: true,
    retryAfterMs: 5_000,
  });
}
