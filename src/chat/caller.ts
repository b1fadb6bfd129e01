import { invalidArgument } from "./errors.ts";
import { anonymous, type Principal } from "./session.ts";

/**
 * What one principal may use, in place of the server's own settings (DESIGN section 5); an absent field leaves
 * the server's. 0 allows nothing.
 */
export type CallerLimits = {
  readonly sessionsMax?: number;
  readonly streamsMax?: number;
  readonly turnsPerMinuteMax?: number;
  readonly tokensPerDayMax?: number;
};

/** Who calls, as the domain sees it. */
export type Caller = {
  readonly principal: Principal;
  /**
   * Nothing tells these callers apart: anonymous ones on a server that others can reach. They have no list of
   * sessions; each session is reached by its id, which nobody can guess.
   */
  readonly isShared: boolean;
  /** What rates and open streams are counted by: the principal; for shared callers the network they call from. */
  readonly rateKey: string;
  readonly limits: CallerLimits;
};

/** Whoever can reach a server that only its own machine reaches. */
export const localCaller: Caller = {
  principal: anonymous,
  isShared: false,
  rateKey: anonymous,
  limits: {},
};

/** Anybody who can reach the server, without a name. */
export function sharedCaller(network: string): Caller {
  return { principal: anonymous, isShared: true, rateKey: `${anonymous} ${network}`, limits: {} };
}

/** Characters that a shared caller's request_id has at least: 122 random bits in base64. */
const sharedRequestIdCharactersMin = 22;

/**
 * Request ids are unique per principal. Shared callers are one principal, so that theirs must be as hard to guess
 * as a session's id: whoever sends it again reads the reply. Throws `invalid_argument`.
 */
export function requireOwnRequestId({ isShared }: Caller, requestId: string): void {
  if (!isShared || requestId === "" || requestId.length >= sharedRequestIdCharactersMin) return;
  const description = `callers without credentials share one space of ids: use a random one, such as a UUID, of at least ${sharedRequestIdCharactersMin} characters`;
  throw invalidArgument([{ field: "request_id", description }]);
}
