import { RateLimiterMemory } from "rate-limiter-flexible";
import type { Caller } from "../chat/caller.ts";
import { ChatError } from "../chat/errors.ts";

/** Counts the turns that each caller begins within a minute. */
export interface TurnRate {
  /** Counts one. Throws ChatError TOO_MANY_TURNS_PER_MINUTE with the time until the next may begin, if ever. */
  take(caller: Caller): Promise<void>;
  /** Takes one back. Never throws. */
  giveBack(caller: Caller): Promise<void>;
}

const windowSeconds = 60;

/**
 * Counts in this process's memory; a minute after its first turn a caller's count begins anew. Credentials of one
 * principal have one count, whatever the limit of each: it is the limit of the one that asks that refuses.
 */
export function createTurnRate(): TurnRate {
  const counts = new RateLimiterMemory({ points: 0, duration: windowSeconds });
  return {
    async take({ rateKey, limits: { turnsPerMinuteMax = Number.POSITIVE_INFINITY } }) {
      if (turnsPerMinuteMax === 0) throw tooManyTurns(0);
      // Whoever is refused does not count, not even until that is taken back: the others may have room.
      const before = await counts.get(rateKey);
      if (before && before.consumedPoints >= turnsPerMinuteMax && before.msBeforeNext > 0) {
        throw tooManyTurns(turnsPerMinuteMax, before.msBeforeNext);
      }
      const after = await counts.penalty(rateKey);
      if (after.consumedPoints <= turnsPerMinuteMax) return;
      // Others have asked at the same moment.
      await counts.reward(rateKey);
      throw tooManyTurns(turnsPerMinuteMax, after.msBeforeNext);
    },
    async giveBack({ rateKey }) {
      const counted = await counts.get(rateKey);
      // A turn of a minute that is over is no credit for this one.
      if (counted && counted.msBeforeNext > 0 && counted.consumedPoints > 0) {
        await counts.reward(rateKey);
      }
    },
  };
}

/** Without a wait where none helps. */
function tooManyTurns(turnsMax: number, waitMs?: number): ChatError {
  const description = `${turnsMax} turns a minute`;
  return new ChatError(
    "resource_exhausted",
    "TOO_MANY_TURNS_PER_MINUTE",
    `you may start ${description}; wait for the next`,
    {
      ...(waitMs !== undefined && {
        retryable: true,
        retryAfterMs: Math.max(1, Math.ceil(waitMs)),
      }),
      quotas: [{ subject: "TURNS_PER_MINUTE_MAX", description }],
    },
  );
}
