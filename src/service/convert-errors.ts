import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ChatError, type ChatErrorKind } from "../chat/errors.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../gen/google/rpc/error_details_pb.ts";

/** `ErrorInfo.domain` of every error that is ours. */
export const errorDomain = "chatwire";

/** The one table from our kinds of error to the wire's codes. */
const codes = {
  invalid_argument: Code.InvalidArgument,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  permission_denied: Code.PermissionDenied,
  failed_precondition: Code.FailedPrecondition,
  aborted: Code.Aborted,
  out_of_range: Code.OutOfRange,
  resource_exhausted: Code.ResourceExhausted,
  cancelled: Code.Canceled,
  deadline_exceeded: Code.DeadlineExceeded,
  unavailable: Code.Unavailable,
  data_loss: Code.DataLoss,
  unimplemented: Code.Unimplemented,
  internal: Code.Internal,
} as const satisfies Record<ChatErrorKind, Code>;

/** The error that a client gets, with google.rpc details. */
export function toConnectError(error: ChatError): ConnectError {
  const details: OutgoingDetail[] = [
    detail(ErrorInfoSchema, {
      reason: error.reason,
      domain: errorDomain,
      metadata: { ...error.metadata },
    }),
  ];
  if (error.fields.length > 0) {
    details.push(detail(BadRequestSchema, { fieldViolations: [...error.fields] }));
  }
  if (error.retryAfterMs !== undefined) {
    details.push(detail(RetryInfoSchema, { retryDelay: toDuration(error.retryAfterMs) }));
  }
  return new ConnectError(error.message, codes[error.kind], undefined, details, error);
}

/**
 * What a call ends with for anything that was thrown: our own errors in full, Connect's as they are, and
 * whatever nobody expected as INTERNAL with a constant text. `unexpected` tells which of them to log.
 */
export function toCallError(error: unknown): { error: ConnectError; unexpected: boolean } {
  if (error instanceof ChatError) {
    return { error: toConnectError(error), unexpected: error.kind === "internal" };
  }
  if (error instanceof ConnectError) {
    // INTERNAL is what Connect calls a message that it cannot decode: the client's fault, and no news.
    return { error, unexpected: error.code === Code.Unknown };
  }
  if (error instanceof Error && error.name === "AbortError") {
    return { error: new ConnectError("the call was cancelled", Code.Canceled), unexpected: false };
  }
  const internal = new ChatError("internal", "INTERNAL", "internal error", { cause: error });
  return { error: toConnectError(internal), unexpected: true };
}

type OutgoingDetail = NonNullable<ConstructorParameters<typeof ConnectError>[3]>[number];

function detail<D extends DescMessage>(desc: D, value: MessageInitShape<D>): OutgoingDetail {
  return { desc, value } as OutgoingDetail;
}

function toDuration(ms: number) {
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
}
