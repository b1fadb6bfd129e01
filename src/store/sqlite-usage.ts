import type { Principal } from "../chat/session.ts";
import type { TurnEnd } from "../chat/turn.ts";
import type { Connection } from "../sqlite/connection.ts";
import { dayOf, firstDayKept, tokensOf } from "./daily-tokens.ts";

/** Adds a turn's tokens to its principal's day; to be called once a turn, in the transaction that ends it. */
export function countTokens(
  connection: Connection,
  principal: Principal,
  { endedAt, usage }: TurnEnd,
): void {
  const tokens = tokensOf(usage);
  if (tokens === 0) return;
  connection.run(
    `INSERT INTO principal_usage (day, principal, tokens) VALUES (:day, :principal, :tokens)
     ON CONFLICT (day, principal) DO UPDATE SET tokens = tokens + excluded.tokens`,
    { day: dayOf(endedAt), principal, tokens },
  );
}

export function tokensUsed(
  connection: Connection,
  { principal, at }: { principal: Principal; at: number },
): number {
  const sql = "SELECT tokens FROM principal_usage WHERE day = :day AND principal = :principal";
  const row = connection.get<{ tokens: number }>(sql, { day: dayOf(at), principal });
  return row?.tokens ?? 0;
}

/** Rows that are removed at a time: a fraction of a millisecond. */
const rowsMax = 16;

/** Forgets some of the days that are over for long, until `isOver` says so. False when none is left. */
export function forgetTokens(connection: Connection, now: number, isOver: () => boolean): boolean {
  for (;;) {
    const removed = connection.run(
      `DELETE FROM principal_usage WHERE (day, principal) IN (
         SELECT day, principal FROM principal_usage WHERE day < :day LIMIT :count
       )`,
      { day: firstDayKept(now), count: rowsMax },
    );
    if (removed < rowsMax) return false;
    if (isOver()) return true;
  }
}
