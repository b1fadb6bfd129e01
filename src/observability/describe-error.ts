import { ChatError } from "../chat/errors.ts";
import { ModelError } from "../chat/model.ts";

/** An error as a line of the log has it. */
export type DescribedError = {
  type: string;
  /** Absent where it may hold what users or models said. */
  message?: string;
  code?: string;
  reason?: string;
  stack?: string;
  cause?: DescribedError;
};

/** How many causes are told of one error. */
const causesMax = 4;

/**
 * What went wrong, for the operator. Providers and decoders put pieces of what they were given into their messages,
 * so without `logContent` those are left out: of errors that are not ours only the kind, the code and the place are
 * told.
 */
export function describeError(error: unknown, logContent: boolean, depth = 0): DescribedError {
  if (!(error instanceof Error)) {
    return { type: typeof error, ...(logContent && { message: String(error) }) };
  }
  const { name, message, cause } = error;
  const { code } = error as { code?: unknown };
  const isTold = logContent || isHarmless(error);
  const place = placeOf(error);
  return {
    type: name,
    ...(isTold && { message }),
    ...((typeof code === "string" || typeof code === "number") && { code: String(code) }),
    ...(error instanceof ChatError && { reason: error.reason }),
    ...(place !== "" && { stack: place }),
    ...(cause !== undefined &&
      depth < causesMax && { cause: describeError(cause, logContent, depth + 1) }),
  };
}

/** The frames of the stack; its head repeats the message. */
function placeOf({ stack = "" }: Error): string {
  const start = stack.search(/^ {4}at /m);
  return start < 0 ? "" : stack.slice(start);
}

/** Whether the message is ours, the operating system's, the database's or OpenSSL's, and so holds nothing that anybody said. */
function isHarmless(error: Error): boolean {
  if (error instanceof ModelError) return false;
  if (error instanceof ChatError) return error.kind !== "invalid_argument";
  const { code } = error as { code?: unknown };
  if (typeof code === "string") return isSystemCode.test(code);
  return error instanceof TypeError || error instanceof RangeError;
}

/** `ECONNREFUSED` of the operating system, `ERR_SQLITE_ERROR` of the database, `ERR_OSSL_PEM_NO_START_LINE` of OpenSSL. */
const isSystemCode = /^(?:E[A-Z0-9]+|ERR_(?:SQLITE|OSSL)_\w+)$/;
