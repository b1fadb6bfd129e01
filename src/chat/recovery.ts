import { type EngineContext, openLane } from "./engine-context.ts";
import { ChatError } from "./errors.ts";
import type { Event } from "./event.ts";
import type { Lane } from "./lane.ts";
import { createLiveTurn, type LiveTurn } from "./live-turn.ts";
import { enqueue, messagesOf, runNext } from "./run-turns.ts";
import type { SessionDetails } from "./session.ts";
import type { UnfinishedTurn } from "./store.ts";
import { estimatePartTokens, estimateUsage } from "./tokens.ts";
import { endOf, recordEnd, storedEnd } from "./turn-end.ts";
import { createTurnWriter } from "./turn-writer.ts";

/** How long the storage may refuse at the start, before the program gives up. */
const storageGraceMs = 10_000;

/**
 * Gives every turn that a crash left in mid run its one end (DESIGN section 2, rule 12): the one that the
 * event log has, else INTERRUPTED with what had arrived. Those that waited wait on, with a fresh grace
 * (rule 10), until `resume`. Deletions that were begun are finished. Safe to repeat. Throws
 * `unavailable`/STORAGE_UNAVAILABLE when the storage takes no writes.
 */
export async function recoverTurns(context: EngineContext): Promise<{ resume: () => void }> {
  const givenUp = AbortSignal.timeout(storageGraceMs);
  for (const sessionId of await context.store.deletedSessions()) {
    await context.log.drop(sessionId);
    await context.store.forgetDeleted(sessionId);
  }
  const waiting = new Set<Lane>();
  for (const unfinished of await context.store.unfinishedTurns()) {
    try {
      const lane = await recoverTurn(context, unfinished, givenUp);
      if (lane) waiting.add(lane);
    } catch (error) {
      // One that cannot be mended keeps its session busy; the others need not suffer for it.
      if (error instanceof ChatError && error.retryable) throw error;
      context.observer.turnFailed(unfinished.turn, error);
    }
  }
  return {
    resume() {
      for (const lane of waiting) {
        for (const { readership } of lane.queued) readership.review();
        void runNext(context, lane);
      }
    },
  };
}

/** Ends the turn, or lets it wait on in the lane that is returned. */
async function recoverTurn(
  context: EngineContext,
  unfinished: UnfinishedTurn,
  givenUp: AbortSignal,
): Promise<Lane | undefined> {
  const { turn, state } = unfinished;
  const session = await context.store.getSession(turn.principal, turn.sessionId);
  if (!session) return undefined;
  const events = await context.log.turnEvents(turn.sessionId, turn.turnId);
  const lane = await openLane(context, session);
  const lastSequence = await context.log.lastSequence(turn.sessionId);
  const startsAfter = events[0] ? events[0].sequence - 1 : lastSequence;
  if (state === "queued") {
    // As its run tells it; that it waited has been told with turn_queued.
    const userMessage = { ...turn.userMessage, state: "complete" } as const;
    enqueue(context, lane, { ...turn, userMessage }, { events, startsAfter });
    return lane;
  }
  await endInterrupted(context, unfinished, session, events, givenUp);
  return undefined;
}

async function endInterrupted(
  context: EngineContext,
  { turn, fence }: UnfinishedTurn,
  session: SessionDetails,
  events: readonly Event[],
  givenUp: AbortSignal,
): Promise<void> {
  const { store, log } = context;
  const { sessionId, turnId } = turn;
  const live = createLiveTurn({ turn, events, ...unattended });
  const recorded = events.find((event) => event.type === "end");
  if (recorded) {
    await store.endTurn(storedEnd(live, fence, recorded));
    await log.release(sessionId, turnId);
    return;
  }
  const { recorded: count, record: onRecorded } = live;
  const writer = createTurnWriter({ log, sessionId, turnId, fence, recorded: count, onRecorded });
  const end = endOf(live, interrupted(live, fence), messagesOf(session));
  context.observer.turnEnded(
    turn,
    await recordEnd({ ...context, live, fence, writer, givenUp }, end),
  );
}

/** A turn that nobody reads, and that only has to end. */
const unattended = {
  startsAfter: 0,
  graceMs: 0,
  watchers: () => 0,
  isDraining: () => true,
  onFailure: () => undefined,
  cancel: () => undefined,
};

/** A turn that was being withdrawn (fence 0) is cancelled, as was asked; any other was interrupted. */
function interrupted(live: LiveTurn, fence: number): Parameters<typeof endOf>[1] {
  const { turn } = live;
  const firstChunkMs = live.firstChunkMs();
  const told = {
    model: turn.model,
    usage: estimateUsage(estimatePartTokens(turn.userMessage.parts), live.parts()),
    processingMs: live.layout().at(-1)?.elapsedMs ?? 0,
    ...(firstChunkMs !== undefined && { firstChunkMs }),
  };
  if (fence === 0) return { ...told, finishReason: "cancelled" };
  const error = {
    kind: "unavailable",
    reason: "SERVER_STOPPED",
    message: "the server stopped in mid reply; what had arrived is kept",
    retryable: true,
  } as const;
  return { ...told, finishReason: "interrupted", error };
}
