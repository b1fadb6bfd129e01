import type { Clock } from "./clock.ts";
import type { Event, NewEvent } from "./event.ts";
import type { EventLog } from "./event-log.ts";
import { foldEnd, foldParts } from "./reply.ts";
import type { Store } from "./store.ts";
import { estimatePartTokens, estimateUsage } from "./tokens.ts";
import type { Turn } from "./turn.ts";
import { createTurnWriter } from "./turn-writer.ts";

type RecoveryOptions = { store: Store; log: EventLog; clock: Clock };

/**
 * Gives every turn that a crash left without an end its one end (DESIGN section 2, rule 12): the one that
 * the event log has, else INTERRUPTED with what had arrived. Safe to repeat.
 */
export async function recoverTurns(options: RecoveryOptions): Promise<void> {
  const { store } = options;
  const unfinished = await store.unfinishedTurns();
  const running = unfinished.filter(({ state }) => state === "running");
  for (const { turn, fence } of running) await endAbandonedTurn(options, turn, fence);
  // Durable, but their callers were never told that they run: they run no more, and say so.
  for (const { turn } of unfinished.filter(({ state }) => state === "queued")) {
    const acquired = await store.acquireTurn(turn.sessionId, "recovery");
    if (acquired === "busy" || acquired === "idle") continue;
    await endAbandonedTurn(options, acquired.turn, acquired.fence);
  }
}

/** Ends a turn that is running for the store, and that nobody runs. Safe to repeat. */
export async function endAbandonedTurn(
  options: RecoveryOptions,
  turn: Turn,
  fence: number,
): Promise<void> {
  const { store, log } = options;
  const events = await log.turnEvents(turn.sessionId, turn.turnId);
  const recorded = foldEnd(turn, fence, events);
  if (recorded) return store.endTurn(recorded);

  const writer = createTurnWriter({
    log,
    sessionId: turn.sessionId,
    turnId: turn.turnId,
    fence,
    recorded: events.length,
  });
  const session = await store.getSession(turn.principal, turn.sessionId);
  const messages = session ? session.userMessages + session.modelMessages : 0;
  const end = await writer.append(interruptedEnd(options.clock, turn, events, messages));
  const folded = foldEnd(turn, fence, [...events, end]);
  if (folded) await store.endTurn(folded);
}

function interruptedEnd(
  clock: Clock,
  turn: Turn,
  events: readonly Event[],
  messages: number,
): NewEvent {
  const parts = foldParts(events);
  const start = events.find(({ type }) => type === "start");
  const elapsedMs = events.at(-1)?.elapsedMs ?? 0;
  return {
    type: "end",
    finishReason: "interrupted",
    error: {
      kind: "unavailable",
      reason: "SERVER_STOPPED",
      message: "the server stopped in mid reply; what had arrived is kept",
      retryable: true,
    },
    model: turn.model,
    messageId: turn.replyMessageId,
    usage: estimateUsage(estimatePartTokens(turn.userMessage.parts), parts),
    totalChunks: events.filter(({ type }) => type === "chunk").length,
    messageCount: messages + (parts.length > 0 ? 1 : 0),
    ...(start && { firstChunkMs: start.elapsedMs }),
    processingMs: elapsedMs,
    ...(events.length === 0 && { userMessage: turn.userMessage }),
    at: clock.now(),
    elapsedMs,
  };
}
