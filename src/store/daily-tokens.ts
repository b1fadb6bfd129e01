import type { Usage } from "../chat/message.ts";

/** Days whose tokens are kept, the present one included: clocks differ, and are put back. */
const daysKept = 3;

const dayMs = 24 * 60 * 60 * 1_000;

/** The UTC day of a time in milliseconds since 1970, counted from then. */
export function dayOf(at: number): number {
  return Math.floor(at / dayMs);
}

/** What was counted before this day is forgotten. */
export function firstDayKept(now: number): number {
  return dayOf(now) - daysKept + 1;
}

/** What a turn costs its principal. Thoughts are counted apart from the output, cached tokens are input. */
export function tokensOf({ inputTokens, outputTokens, thinkingTokens }: Usage): number {
  return inputTokens + outputTokens + thinkingTokens;
}
