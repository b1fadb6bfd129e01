import { RateLimiterMemory, type RateLimiterRes } from "rate-limiter-flexible";
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

/** Counts in this process's memory; a minute after its first turn a caller's count begins anew. */
export function createTurnRate(): TurnRate {
  // Callers with a limit of their own are counted against it; there are as many limiters as limits.
  const limiters = new Map<number, RateLimiterMemory>();
  const limiterOf = (turnsMax: number): RateLimiterMemory => {
    const known = limiters.get(turnsMax);
    if (known) return known;
    const keyPrefix = String(turnsMax);
    const made = new RateLimiterMemory({ points: turnsMax, duration: windowSeconds, keyPrefix });
    limiters.set(turnsMax, made);
    return made;
  };
  return {
    async take({ rateKey, limits: { turnsPerMinuteMax } }) {
      if (turnsPerMinuteMax === undefined) return;
      if (turnsPerMinuteMax === 0) throw tooManyTurns(0);
      const limiter = limiterOf(turnsPerMinuteMax);
      try {
        await limiter.consume(rateKey);
      } catch (refused) {
        if (refused instanceof Error) throw refused;
        // The limiter counts what it refuses too.
        await limiter.reward(rateKey);
        throw tooManyTurns(turnsPerMinuteMax, (refused as RateLimiterRes).msBeforeNext);
      }
    },
    async giveBack({ rateKey, limits: { turnsPerMinuteMax } }) {
      if (!turnsPerMinuteMax) return;
      const limiter = limiterOf(turnsPerMinuteMax);
      const counted = await limiter.get(rateKey);
      // A turn of a minute that is over is no credit for this one.
      if (counted && counted.msBeforeNext > 0 && counted.consumedPoints > 0) {
        await limiter.reward(rateKey);
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
