import { Code, type ConnectError } from "@connectrpc/connect";
import { classifyError, errorReason } from "./errors.ts";

/**
 * What is known of a turn whose end was not seen. `refused`: it does not exist, and the model was not run for
 * it. `unknown`: it may run, or have ended; sending the same request_id again tells.
 */
export type TurnOutcome = "refused" | "unknown";

/** A turn whose end was not seen. */
export class TurnError extends Error {
  override readonly name = "TurnError";
  readonly outcome: TurnOutcome;
  /** What the last attempt failed with. */
  override readonly cause: ConnectError;
  /** Send it again, with the same content, to learn the outcome. */
  readonly requestId: string;
  /** Empty where it was not learnt. */
  readonly sessionId: string;
  /** Empty where it was not learnt. */
  readonly turnId: string;

  constructor(
    outcome: TurnOutcome,
    cause: ConnectError,
    ids: { requestId: string; sessionId: string; turnId: string },
  ) {
    super(
      `the turn is ${outcome === "refused" ? "refused" : "not known to have ended"}: ${cause.message}`,
    );
    this.outcome = outcome;
    this.cause = cause;
    this.requestId = ids.requestId;
    this.sessionId = ids.sessionId;
    this.turnId = ids.turnId;
  }
}

/** What is known of a turn after its last attempt failed with `error`. */
export function outcomeOf(
  error: ConnectError,
  { started, doubtful }: { started: boolean; doubtful: boolean },
): TurnOutcome {
  if (started) return "unknown";
  if (cannotHaveStarted(error)) return "refused";
  return doubtful ? "unknown" : "refused";
}

/**
 * Whether this failure of an attempt leaves open that a turn began: a lost connection does, the server's word
 * that it takes no turns does not.
 */
export function leavesDoubt(error: ConnectError): boolean {
  return classifyError(error) === "retry" && !cannotHaveStarted(error);
}

/**
 * The server says these after it has looked for the request_id (DESIGN section 2, rule 7), so that also an
 * earlier attempt that was lost began nothing.
 */
function cannotHaveStarted(error: ConnectError): boolean {
  const reason = errorReason(error);
  if (reason === undefined) return false;
  return afterLookUp.has(error.code) || reason === "SERVER_DRAINING";
}

const afterLookUp = new Set([
  Code.InvalidArgument,
  Code.AlreadyExists,
  Code.FailedPrecondition,
  Code.ResourceExhausted,
  Code.Unimplemented,
]);
