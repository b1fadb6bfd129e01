import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ChatError, type ChatErrorKind } from "../chat/errors.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  RetryInfoSchema,
} from "../gen/google/rpc/error_details_pb.ts";

/** `ErrorInfo.domain` of every error that is ours. */
export const errorDomain = "chatwire";

/** The one table from our kinds of error to the wire's codes. */
const codes = {
  invalid_argument: Code.InvalidArgument,
  unauthenticated: Code.Unauthenticated,
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
  if (error.quotas.length > 0) {
    details.push(detail(QuotaFailureSchema, { violations: [...error.quotas] }));
  }
  if (error.retryAfterMs !== undefined) {
    details.push(detail(RetryInfoSchema, { retryDelay: toDuration(error.retryAfterMs) }));
  }
  // A quotation may have been cut within a character, of which gRPC's header could be made no more.
  const message = error.message.toWellFormed();
  return new ConnectError(message, codes[error.kind], retryHeaders(error), details, error);
}

/** A call that waits longer than this for its next attempt is better ended, milliseconds. */
const pushbackMsMax = 60_000;

/**
 * When to try again, for what reads no details: `grpc-retry-pushback-ms` for gRPC's own retries (gRFC A6), where
 * -1 means none, and `retry-after` in whole seconds for HTTP (RFC 9110 section 10.2.3).
 */
function retryHeaders(error: ChatError): Record<string, string> {
  const { retryAfterMs } = error;
  const pushbackMs = isInVain(error) ? -1 : retryAfterMs;
  return {
    ...(pushbackMs !== undefined && { "grpc-retry-pushback-ms": String(Math.ceil(pushbackMs)) }),
    ...(retryAfterMs !== undefined && { "retry-after": String(Math.ceil(retryAfterMs / 1_000)) }),
  };
}

/** Whether the same call, sent again within a minute, must fail in the same way. */
function isInVain({ kind, retryable, retryAfterMs = 0, metadata }: ChatError): boolean {
  // A turn's recorded end: its request_id replays it.
  if (metadata.finish_reason !== undefined) return true;
  if (retryAfterMs > pushbackMsMax) return true;
  return kind === "resource_exhausted" && !retryable;
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
  const whole = Math.ceil(ms);
  return { seconds: BigInt(Math.floor(whole / 1_000)), nanos: (whole % 1_000) * 1_000_000 };
}
