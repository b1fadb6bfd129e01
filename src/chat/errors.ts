/**
 * The ways in which a call can fail, in the domain's words. `service/convert-errors.ts` maps each kind to
 * a status code of the wire; nothing else does.
 */
export type ChatErrorKind =
  | "invalid_argument"
  | "unauthenticated"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "resource_exhausted"
  | "cancelled"
  | "deadline_exceeded"
  | "unavailable"
  | "data_loss"
  | "unimplemented"
  | "internal";

/**
 * The stable reasons that clients may branch on. They travel as `ErrorInfo.reason` and as
 * `ChatResponse.error_reason`; docs/errors.md explains each.
 */
export type ErrorReason =
  | "INVALID_REQUEST"
  | "MODEL_UNKNOWN"
  | "SESSION_NOT_FOUND"
  | "MESSAGE_NOT_FOUND"
  | "MESSAGE_REPLACED"
  | "MESSAGE_QUEUED"
  | "REQUEST_ID_REUSED"
  | "QUEUE_FULL"
  | "ETAG_MISMATCH"
  | "EPOCH_CHANGED"
  | "NOTHING_TO_REGENERATE"
  | "NOTHING_TO_CONTINUE"
  | "TOO_MANY_WATCHERS"
  | "TOO_SLOW"
  | "SESSION_BUSY"
  | "SESSION_REQUIRED"
  | "TURN_NOT_FOUND"
  | "SEQUENCE_OUT_OF_RANGE"
  | "EVENTS_EXPIRED"
  | "STORAGE_UNAVAILABLE"
  | "SERVER_DRAINING"
  | "SERVER_STOPPED"
  | "TOO_MANY_TURNS"
  | "STALE_FENCE"
  | "UNAUTHENTICATED"
  | "SCOPE_MISSING"
  | "AUTH_UNAVAILABLE"
  | "TOO_MANY_SESSIONS"
  | "TOO_MANY_STREAMS"
  | "TOO_MANY_TURNS_PER_MINUTE"
  | "TOKENS_USED_UP"
  | "SERVER_BUSY"
  | "NOT_IMPLEMENTED"
  | "INTERNAL"
  | RequestErrorReason
  | ModelErrorReason;

/** Why a request was refused before it reached an RPC; `service/request-errors.ts` makes these errors. */
export type RequestErrorReason =
  | "REQUEST_UNDECODABLE"
  | "MESSAGE_TOO_LARGE"
  | "MESSAGE_COUNT_WRONG"
  | "COMPRESSION_UNKNOWN"
  | "TIMEOUT_INVALID"
  | "METADATA_INVALID"
  | "CONTENT_TYPE_UNKNOWN"
  | "METHOD_NOT_ALLOWED"
  | "HTTP2_REQUIRED"
  | "DEADLINE_EXCEEDED"
  | "CALL_CANCELLED"
  | "SERVICE_UNKNOWN";

/** Why a model failed, told so that the person at the keyboard knows whether waiting helps. */
export type ModelErrorReason =
  | "MODEL_UNAVAILABLE"
  | "MODEL_OVERLOADED"
  | "MODEL_UNREACHABLE"
  | "MODEL_RATE_LIMITED"
  | "MODEL_KEY_REJECTED"
  | "MODEL_RETIRED"
  | "MODEL_REFUSED_REQUEST"
  | "MODEL_FIRST_CHUNK_TIMEOUT"
  | "MODEL_IDLE_TIMEOUT"
  | "MODEL_TURN_TIMEOUT"
  | "MODEL_INCOMPLETE"
  | "MODEL_FAILED";

/** One invalid field, by its name in the contract (`generation.temperature`). */
export type FieldViolation = { field: string; description: string };

/** One limit that is used up: `TURNS_PER_MINUTE_MAX`, and what it allows. */
export type QuotaViolation = { subject: string; description: string };

export type ChatErrorOptions = {
  /** With a later try (a new request_id where a turn had started) the same call may succeed. */
  retryable?: boolean;
  /** How long to wait before that try, milliseconds. */
  retryAfterMs?: number;
  fields?: FieldViolation[];
  /** Which limit is used up, and whose: sent as `QuotaFailure`. */
  quotas?: QuotaViolation[];
  /** Further facts for programs, sent as `ErrorInfo.metadata`. */
  metadata?: Record<string, string>;
  cause?: unknown;
};

/** A call that could not be served, or a turn that failed, with everything a client is told of it. */
export class ChatError extends Error {
  override readonly name = "ChatError";
  readonly kind: ChatErrorKind;
  readonly reason: ErrorReason;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly fields: readonly FieldViolation[];
  readonly quotas: readonly QuotaViolation[];
  readonly metadata: Readonly<Record<string, string>>;

  constructor(
    kind: ChatErrorKind,
    reason: ErrorReason,
    message: string,
    options: ChatErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.reason = reason;
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.fields = options.fields ?? [];
    this.quotas = options.quotas ?? [];
    this.metadata = options.metadata ?? {};
  }
}

/** A request that breaks the contract, with every violation at once. */
export function invalidArgument(
  fields: FieldViolation[],
  reason: ErrorReason = "INVALID_REQUEST",
): ChatError {
  const message = fields.map(({ field, description }) => `${field}: ${description}`).join("; ");
  return new ChatError("invalid_argument", reason, message, { fields });
}

/** The session does not exist, or is another principal's: a caller cannot tell which. */
export function sessionNotFound(sessionId: string): ChatError {
  return new ChatError("not_found", "SESSION_NOT_FOUND", `there is no session "${sessionId}"`, {
    metadata: { session_id: sessionId },
  });
}

/** The store or the event log did not take a write, or cannot be read; nothing was changed. */
export function storageUnavailable(cause: unknown): ChatError {
  return new ChatError(
    "unavailable",
    "STORAGE_UNAVAILABLE",
    "the server cannot write to its storage at the moment; what was stored before is safe",
    { retryable: true, retryAfterMs: 1_000, cause },
  );
}

/** A part of the contract that this release does not have yet. */
export function notImplemented(what: string): ChatError {
  return new ChatError("unimplemented", "NOT_IMPLEMENTED", `${what}: not in this release`);
}
