/** What a caller meant by leaving: a decision to end the turn, or an accident (DESIGN section 2, rule 9). */
export type Departure = "cancelled" | "lost";

/** A call as the turns that it reads see it. */
export interface Call {
  /** Aborts when the call is over, in whatever way. */
  readonly signal: AbortSignal;
  /** Resolves with what the caller meant; asked once the signal has aborted. Never rejects. */
  departure(): Promise<Departure>;
}
