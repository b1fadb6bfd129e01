import type { Caller } from "./caller.ts";

/**
 * Decides whether something new may begin, by what the server carries and by what its caller has begun
 * lately. Asked after the look-up of request ids, so that a re-send is never counted again (DESIGN section 2,
 * rule 7), and before anything is written.
 */
export interface Admission {
  /**
   * Counts a turn for the caller. Throws ChatError `unavailable` (SERVER_BUSY) where the server carries too
   * much, and `resource_exhausted` (TOO_MANY_TURNS_PER_MINUTE) where the caller has begun too many; both say how
   * long to wait, and count nothing.
   */
  admitTurn(caller: Caller): Promise<void>;
  /** Takes back what `admitTurn` counted, because no turn came of it. Never throws. */
  giveBack(caller: Caller): Promise<void>;
}
