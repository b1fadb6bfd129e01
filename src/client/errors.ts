import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts";

/**
 * What a client can do about a failed call:
 *
 * - `retry`: the same call may be sent again, later or elsewhere. The connection was lost, an attempt took
 *   too long, the server drains or its storage fails, or it named a time to wait.
 * - `reload`: the cursor is no longer the session's; read the messages again and go on from there.
 * - `gone`: there is no such session, turn, message or request_id (any more).
 * - `denied`: the caller is not known, or may not do this.
 * - `refused`: the server understood and will not; the same call fails the same way.
 */
export type ErrorClass = "retry" | "reload" | "gone" | "denied" | "refused";

/** Sorts whatever a call threw; see ErrorClass. What is no ConnectError counts as a lost connection. */
export function classifyError(thrown: unknown): ErrorClass {
  const error = ConnectError.from(thrown);
  if (isModelFailure(error)) return "refused";
  const named = classOf[error.code];
  if (named !== undefined) return named;
  if (error.code === Code.ResourceExhausted && !saysLost(error)) {
    return retryAfterMs(error) === undefined ? "refused" : "retry";
  }
  if (cursorCodes.has(error.code)) return "reload";
  return alwaysLost.has(error.code) || saysLost(error) ? "retry" : "refused";
}

/** Whether the same call may succeed when it is sent again, later or elsewhere. */
export function isRetryable(error: unknown): boolean {
  return classifyError(error) === "retry";
}

/** The reason in a chatwire server's ErrorInfo, such as SESSION_BUSY; undefined where there is none. */
export function errorReason(thrown: unknown): string | undefined {
  const infos = ConnectError.from(thrown).findDetails(ErrorInfoSchema);
  return infos.find(({ domain }) => domain === "chatwire")?.reason;
}

/** The server's RetryInfo, milliseconds; undefined where it named no time. */
export function retryAfterMs(thrown: unknown): number | undefined {
  const [info] = ConnectError.from(thrown).findDetails(RetryInfoSchema);
  if (info?.retryDelay === undefined) return undefined;
  const { seconds, nanos } = info.retryDelay;
  return Math.max(0, Number(seconds) * 1_000 + nanos / 1_000_000);
}

/** Nothing was heard for so long that the connection counts as lost (DESIGN section 2, rule 13). */
export function connectionSilent(ms: number): ConnectError {
  return new ConnectError(`nothing was heard for ${ms} ms`, Code.Unavailable);
}

/** The server's stream broke a rule of the contract: an event is missing. */
export function eventMissing(expected: bigint, got: bigint): ConnectError {
  return new ConnectError(`event ${expected} is missing before ${got}`, Code.Unavailable);
}

/** Events are gone for good: the cursor cannot be gone on from. */
export function eventsLost(message: string): ConnectError {
  return new ConnectError(message, Code.DataLoss);
}

/** The stream ended without an error where it had more to say. */
export function endedEarly(): ConnectError {
  return new ConnectError("the stream ended before its time", Code.Unavailable);
}

/** The caller has left: by the client's close, by an AbortSignal or by `break`. */
export function clientClosed(cause?: unknown): ConnectError {
  return new ConnectError("the call was left", Code.Canceled, undefined, undefined, cause);
}

const classOf: Readonly<Partial<Record<Code, ErrorClass>>> = {
  [Code.Unimplemented]: "refused",
  [Code.FailedPrecondition]: "refused",
  [Code.AlreadyExists]: "refused",
  [Code.NotFound]: "gone",
  [Code.Unauthenticated]: "denied",
  [Code.PermissionDenied]: "denied",
};

const alwaysLost = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.Canceled]);
const cursorCodes = new Set([Code.DataLoss, Code.OutOfRange]);

/**
 * A cut connection comes as almost any code (Connect: INVALID_ARGUMENT "missing EndStreamResponse", gRPC-Web:
 * INTERNAL "missing trailer", fetch: UNKNOWN, node: ABORTED). What sets it apart is that nobody sent it. An
 * UNKNOWN or INTERNAL without our ErrorInfo is a proxy's word for the same.
 */
function saysLost(error: ConnectError): boolean {
  if (!error.isWireError) return true;
  const isVague = error.code === Code.Unknown || error.code === Code.Internal;
  return isVague && errorReason(error) === undefined;
}

/** How a turn ended, told as a status: the same request_id replays it. */
function isModelFailure(error: ConnectError): boolean {
  return errorReason(error)?.startsWith("MODEL_") === true;
}
