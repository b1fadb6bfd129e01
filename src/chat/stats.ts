import type { Principal } from "./session.ts";
import { isComplete, type TurnEnd } from "./turn.ts";

/** What this process has done since it started. A request is one message that asked for a turn. */
export type Stats = {
  startedAt: number;
  /** Requests answered: successful + failed. */
  totalRequests: number;
  /** Turns that ended in RESPONSE_COMPLETE. */
  successfulRequests: number;
  /** Turns that ended in ERROR, and requests refused before their turn existed. */
  failedRequests: number;
  sessionsCreated: number;
  cancelledTurns: number;
  /** Of the turns that ended, seconds. */
  averageResponseTime: number;
  /** Of the turns whose model answered, seconds. */
  averageFirstChunkTime: number;
  inputTokens: number;
  outputTokens: number;
};

/** Counts what happens. */
interface StatsCounter {
  sessionCreated(): void;
  /** A request for a turn was refused before its turn existed. */
  refused(): void;
  ended(end: TurnEnd): void;
  /** A turn was cancelled while it waited; it took no time of the model's. */
  withdrawn(): void;
  read(): Stats;
}

/** Counts for the whole server and for each principal. */
export interface StatsBook {
  /** Counts for the principal, and for the whole. */
  of(principal: Principal): Omit<StatsCounter, "read">;
  /** What the principal has done; without one, everybody. */
  read(principal?: Principal): Stats;
}

/** Principals whose counts are kept; the one that was quiet longest is forgotten and begins anew. */
const principalsMax = 10_000;

export function createStatsBook(startedAt: number): StatsBook {
  const all = createStatsCounter(startedAt);
  const counters = new Map<Principal, StatsCounter>();
  const counterOf = (principal: Principal): StatsCounter => {
    const counter = counters.get(principal) ?? createStatsCounter(startedAt);
    // Behind the others: Map keeps the order of insertion.
    counters.delete(principal);
    counters.set(principal, counter);
    if (counters.size > principalsMax) counters.delete(counters.keys().next().value ?? "");
    return counter;
  };
  return {
    of(principal) {
      const own = counterOf(principal);
      const both = (count: (counter: StatsCounter) => void) => {
        count(all);
        count(own);
      };
      return {
        sessionCreated: () => both((counter) => counter.sessionCreated()),
        refused: () => both((counter) => counter.refused()),
        ended: (end) => both((counter) => counter.ended(end)),
        withdrawn: () => both((counter) => counter.withdrawn()),
      };
    },
    read(principal) {
      if (principal === undefined) return all.read();
      return (counters.get(principal) ?? createStatsCounter(startedAt)).read();
    },
  };
}

/** Counts of one principal, or of all. */
export function createStatsCounter(startedAt: number): StatsCounter {
  let sessionsCreated = 0;
  let refused = 0;
  let complete = 0;
  let failed = 0;
  let cancelled = 0;
  let withdrawn = 0;
  let processingMs = 0;
  let answered = 0;
  let firstChunkMs = 0;
  let inputTokens = 0;
  let outputTokens = 0;

  return {
    sessionCreated() {
      sessionsCreated += 1;
    },
    refused() {
      refused += 1;
    },
    ended(end) {
      if (isComplete(end.finishReason)) complete += 1;
      else failed += 1;
      if (end.finishReason === "cancelled") cancelled += 1;
      processingMs += end.processingMs;
      if (end.firstChunkMs !== undefined) {
        answered += 1;
        firstChunkMs += end.firstChunkMs;
      }
      inputTokens += end.usage.inputTokens;
      outputTokens += end.usage.outputTokens;
    },
    withdrawn() {
      complete += 1;
      withdrawn += 1;
      cancelled += 1;
    },
    read: () => ({
      startedAt,
      totalRequests: complete + failed + refused,
      successfulRequests: complete,
      failedRequests: failed + refused,
      sessionsCreated,
      cancelledTurns: cancelled,
      averageResponseTime: mean(processingMs, complete + failed - withdrawn) / 1000,
      averageFirstChunkTime: mean(firstChunkMs, answered) / 1000,
      inputTokens,
      outputTokens,
    }),
  };
}

function mean(sum: number, count: number): number {
  return count === 0 ? 0 : sum / count;
}
