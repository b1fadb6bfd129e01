import type { Principal } from "../chat/session.ts";
import type { TurnEnd } from "../chat/turn.ts";
import { dayOf, firstDayKept, tokensOf } from "./daily-tokens.ts";

/** The tokens of a memory store's principals, by day. */
export interface MemoryUsage {
  /** To be called once a turn. */
  add(principal: Principal, end: TurnEnd): void;
  /** On the day of that time. */
  tokensUsed(principal: Principal, at: number): number;
  /** Forgets the days that are over for long. */
  forget(now: number): void;
}

export function createMemoryUsage(): MemoryUsage {
  const days = new Map<number, Map<Principal, number>>();
  return {
    add(principal, { endedAt, usage }) {
      const day = dayOf(endedAt);
      const tokens = days.get(day) ?? new Map<Principal, number>();
      days.set(day, tokens.set(principal, (tokens.get(principal) ?? 0) + tokensOf(usage)));
    },
    tokensUsed: (principal, at) => days.get(dayOf(at))?.get(principal) ?? 0,
    forget(now) {
      for (const day of days.keys()) if (day < firstDayKept(now)) days.delete(day);
    },
  };
}
