import { type EngineContext, tellList } from "./engine-context.ts";
import { ChatError, storageUnavailable } from "./errors.ts";
import type { Event, NewEvent } from "./event.ts";
import type { Lane } from "./lane.ts";
import { createLiveTurn, type LiveTurn } from "./live-turn.ts";
import type { Message } from "./message.ts";
import type { SessionDetails } from "./session.ts";
import type { AcquiredTurn } from "./store.ts";
import { endUnlessStuck } from "./stuck-turn.ts";
import { noUsage } from "./tokens.ts";
import type { Turn, TurnEnd } from "./turn.ts";
import { endOf, messagesReplaced, questionOf, recordEnd } from "./turn-end.ts";
import { runTurn } from "./turn-run.ts";
import { createTurnWriter } from "./turn-writer.ts";

/** Makes a turn live in its lane, behind those that wait or before them. */
export function enqueue(
  context: EngineContext,
  lane: Lane,
  turn: Turn,
  {
    atHead = false,
    ...known
  }: { atHead?: boolean; startsAfter: number; events?: readonly Event[] },
): LiveTurn {
  const live = createLiveTurn({
    turn,
    ...known,
    graceMs: context.disconnectGraceMs,
    watchers: lane.watchers,
    isDraining: () => context.drain.isDraining,
    onFailure: lane.faults.emit,
    // A failure is told to the operator where it happens; the turn then waits on.
    cancel: () => void cancelLive(context, lane, live).catch(() => undefined),
  });
  if (atHead) lane.queued.unshift(live);
  else lane.queued.push(live);
  return live;
}

/** Records that a turn waits, with its question, and with what an edit replaces. */
export async function announceQueued(
  { log, clock }: EngineContext,
  live: LiveTurn,
  position: number,
): Promise<void> {
  const { turn } = live;
  const { sessionId, turnId } = turn;
  const userMessage: Message = { ...turn.userMessage, state: "queued" };
  const data = { turn_id: turnId, position };
  const question = { ...questionOf(turn), userMessage };
  const queued = { type: "session_update", updateType: "turn_queued", data, ...question } as const;
  const bodies = [queued, ...(turn.type === "edit" ? [messagesReplaced(turn)] : [])];
  const events = bodies.map((body): NewEvent => ({ ...body, at: clock.now(), elapsedMs: 0 }));
  const { firstSequence } = await log.append({ sessionId, turnId, fence: 0, batch: 1, events });
  live.record(events.map((event, i) => ({ ...event, sequence: firstSequence + i, turnId })));
}

/** How long after a failure of the store the queue is tried again, milliseconds. */
const queueRetryMs = 1_000;

/**
 * Runs the first turn that waits, if the lane and the server are free. What cannot run now is tried again later:
 * the store may have failed, or another process may run the session's turn.
 */
export async function runNext(context: EngineContext, lane: Lane): Promise<void> {
  const isDue = () => !lane.running && lane.queued.length > 0 && !lane.deleted;
  let isLeft = true;
  try {
    await lane.serially(async () => {
      isLeft = isDue();
      if (!isLeft || context.drain.isDraining || !reserveRun(context)) return;
      isLeft = !(await acquireAndRun(context, lane));
    });
  } catch (error) {
    const [live] = lane.queued;
    if (live) context.observer.turnFailed(live.turn, error);
  }
  if (isLeft) retryLater(context, lane);
}

async function acquireAndRun(context: EngineContext, lane: Lane): Promise<boolean> {
  let acquired: AcquiredTurn | "busy" | "idle" = "busy";
  try {
    acquired = await context.store.acquireTurn(lane.sessionId, context.owner);
  } finally {
    if (typeof acquired === "string") releaseRun(context);
  }
  if (typeof acquired === "string") return false;
  run(context, lane, acquired);
  return true;
}

/** Tries the queue again after a while. */
export function retryLater(context: EngineContext, lane: Lane): void {
  if (context.drain.isDraining) return;
  setTimeout(() => void runNext(context, lane), queueRetryMs).unref();
}

/** Takes one of the runs that the server may have at once (RUNNING_TURNS_MAX); false where there is none. */
export function reserveRun({ runs, runningTurnsMax }: EngineContext): boolean {
  if (runs.count >= runningTurnsMax) return false;
  runs.count += 1;
  return true;
}

export function releaseRun(context: EngineContext): void {
  context.runs.count -= 1;
  context.onRunEnded();
}

/**
 * Runs an acquired turn, whose run is reserved, to its end, whatever happens to the calls that read it; then
 * the next one.
 */
export function run(context: EngineContext, lane: Lane, acquired: AcquiredTurn): void {
  const live = takeFromQueue(context, lane, acquired.turn);
  if (context.drain.lastStop) live.stop(context.drain.lastStop);
  lane.running = live;
  const data = { turn_id: live.turn.turnId };
  tellList(context, lane.principal, lane.sessionId, "session_running", data);
  void finish(context, lane, live, acquired);
}

async function finish(context: EngineContext, lane: Lane, live: LiveTurn, acquired: AcquiredTurn) {
  const end = await runToEnd(context, live, acquired);
  lane.running = undefined;
  live.settle(end);
  tellIfIdle(context, lane);
  releaseRun(context);
  await runNext(context, lane);
}

function tellIfIdle(context: EngineContext, lane: Lane): void {
  if (lane.isIdle()) tellList(context, lane.principal, lane.sessionId, "session_idle");
}

async function runToEnd(
  context: EngineContext,
  live: LiveTurn,
  { fence, messages }: AcquiredTurn,
): Promise<TurnEnd | undefined> {
  const { observer, stats, givenUp } = context;
  const runObserver = observer.turnStarted(live.turn);
  let end: TurnEnd | undefined;
  try {
    end = await runTurn({
      ...context,
      observer: runObserver,
      live,
      fence,
      messagesBefore: messages,
      givenUp: givenUp.signal,
      onError: (error) => observer.turnFailed(live.turn, error),
    });
    stats.of(live.turn.principal).ended(end);
    observer.turnEnded(live.turn, end);
    return end;
  } catch (error) {
    observer.turnFailed(live.turn, error);
    live.fail(error instanceof ChatError ? error : storageUnavailable(error));
    return undefined;
  } finally {
    runObserver.ended(end);
  }
}

/** The live turn of an acquired one; another process may have queued it. */
function takeFromQueue(context: EngineContext, lane: Lane, turn: Turn): LiveTurn {
  const index = lane.queued.findIndex((live) => live.turn.turnId === turn.turnId);
  const live = lane.queued[index] ?? enqueue(context, lane, turn, { startsAfter: 0 });
  lane.queued.splice(lane.queued.indexOf(live), 1);
  return live;
}

/**
 * Cancels a turn that waits or runs, and resolves with its recorded end. Throws `unavailable`/STORAGE_UNAVAILABLE where
 * the storage does not take that now; it may follow.
 */
export async function cancelLive(
  context: EngineContext,
  lane: Lane,
  live: LiveTurn,
): Promise<TurnEnd | undefined> {
  if (lane.running === live) live.stop({ finishReason: "cancelled" });
  else await lane.serially(() => withdraw(context, lane, live));
  return endUnlessStuck(live);
}

/**
 * Ends a turn that waits, without a run: CANCELLED. To be called within the lane's `serially`. One that has
 * begun to run meanwhile is stopped instead. Throws where the storage takes no writes.
 */
export async function withdraw(context: EngineContext, lane: Lane, live: LiveTurn): Promise<void> {
  const { sessionId, turnId } = live.turn;
  if (!lane.queued.includes(live)) return live.stop({ finishReason: "cancelled" });
  // It was withdrawn before, and its end waits for the storage.
  live.fault.throwIfAborted();
  // Where this fails the turn waits on.
  await context.store.withdrawTurn(sessionId, turnId);
  void endWithdrawn(context, lane, live);
  if (!(await endUnlessStuck(live))) live.fault.throwIfAborted();
}

/** Records the end of a turn that was withdrawn, as soon as the storage takes it. Never throws. */
async function endWithdrawn(context: EngineContext, lane: Lane, live: LiveTurn): Promise<void> {
  const { observer, stats } = context;
  const { turn } = live;
  let end: TurnEnd | undefined;
  try {
    end = await recordWithdrawal(context, live);
    stats.of(turn.principal).withdrawn();
    observer.turnEnded(turn, end);
  } catch (error) {
    observer.turnFailed(turn, error);
    live.fail(error instanceof ChatError ? error : storageUnavailable(error));
  } finally {
    // One that could not be ended is ended by the next start of the program.
    lane.queued.splice(lane.queued.indexOf(live), 1);
    live.settle(end);
    tellIfIdle(context, lane);
  }
}

async function recordWithdrawal(context: EngineContext, live: LiveTurn): Promise<TurnEnd> {
  const { store, log, givenUp } = context;
  const { sessionId, turnId, principal, model } = live.turn;
  const { recorded, record: onRecorded } = live;
  const writer = createTurnWriter({ log, sessionId, turnId, fence: 0, recorded, onRecorded });
  const session = await store.getSession(principal, sessionId);
  const messages = session ? messagesOf(session) : 0;
  const outcome = { finishReason: "cancelled", model, usage: noUsage, processingMs: 0 } as const;
  const options = { ...context, live, fence: 0, writer, givenUp: givenUp.signal };
  return recordEnd(options, endOf(live, outcome, messages));
}

/** The messages of a session's history, those that wait left out. */
export function messagesOf(session: SessionDetails): number {
  return session.userMessages + session.modelMessages - session.queuedTurnIds.length;
}
