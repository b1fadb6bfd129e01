import { inspect } from "node:util";
import { ApiError } from "@google/genai";
import { ModelError } from "../chat/model.ts";

/** What the texts of an error need to know, and what they must not show. */
export type GeminiErrorContext = { modelId: string; apiKey: string | undefined };

/** The error object of Google's APIs (google.aip.dev/193), as far as we look at it. */
type GoogleError = {
  status: string;
  message: string;
  reasons: string[];
  /** RetryInfo.retryDelay. */
  retryAfterMs: number | undefined;
};

/** Of a provider's own words this much is passed on, UTF-16 units. */
const quotedUnitsMax = 300;

/**
 * A failure of the SDK in our words. The key is in none of them, nor in the cause.
 *
 * A rejected key is `failed_precondition`: nothing that the caller sent is wrong, and nothing in this
 * program, but it does not work until the operator sets another key.
 */
export function toModelError(error: unknown, context: GeminiErrorContext): ModelError {
  if (error instanceof ModelError) return error;
  const cause = withoutKey(error, context.apiKey);
  if (error instanceof ApiError) return fromStatus(error, context, cause);
  if (isCredentialsError(error)) return keyRejected(cause);
  if (isBrokenStream(error)) {
    return new ModelError(
      "unavailable",
      "MODEL_UNAVAILABLE",
      "Gemini broke off in the middle of its reply",
      {
        retryable: true,
        cause,
      },
    );
  }
  if (isNetworkError(error)) {
    return new ModelError(
      "unavailable",
      "MODEL_UNREACHABLE",
      "Gemini cannot be reached from this server",
      {
        retryable: true,
        cause,
      },
    );
  }
  return new ModelError("internal", "MODEL_FAILED", "Gemini failed in a way that is not known", {
    cause,
  });
}

function fromStatus(
  error: ApiError,
  { modelId, apiKey }: GeminiErrorContext,
  cause: unknown,
): ModelError {
  const { status } = error;
  const said = readGoogleError(error.message);
  const quoted = hide(said.message, apiKey).slice(0, quotedUnitsMax);
  if (status === 401 || status === 403 || said.reasons.includes("API_KEY_INVALID")) {
    return keyRejected(cause);
  }
  if (status === 404) {
    const message = `Gemini has no model "${modelId}" for this server; it may have been retired: choose another`;
    return new ModelError("failed_precondition", "MODEL_RETIRED", message, { cause });
  }
  if (status === 429) return rateLimited(said, cause);
  if (status >= 500 || status === 408 || status === 499) return unavailable(status, said, cause);
  const kind = said.status === "FAILED_PRECONDITION" ? "failed_precondition" : "invalid_argument";
  return new ModelError(kind, "MODEL_REFUSED_REQUEST", `Gemini refused the request: ${quoted}`, {
    cause,
  });
}

function keyRejected(cause: unknown): ModelError {
  const message =
    "Gemini rejected this server's key; whoever runs the server has to set a valid one";
  return new ModelError("failed_precondition", "MODEL_KEY_REJECTED", message, { cause });
}

function rateLimited({ retryAfterMs }: GoogleError, cause: unknown): ModelError {
  const when = retryAfterMs === undefined ? "later" : `in ${Math.ceil(retryAfterMs / 1_000)} s`;
  const message = `Gemini takes no more requests from this server for now; try again ${when}`;
  return new ModelError("resource_exhausted", "MODEL_RATE_LIMITED", message, {
    retryable: true,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    cause,
  });
}

function unavailable(status: number, said: GoogleError, cause: unknown): ModelError {
  const overloaded = /overload/i.test(said.message);
  const message = overloaded
    ? "Gemini is overloaded at the moment; try again in a little while"
    : `Gemini is not available at the moment (it answered ${status}); try again in a little while`;
  return new ModelError(
    "unavailable",
    overloaded ? "MODEL_OVERLOADED" : "MODEL_UNAVAILABLE",
    message,
    {
      retryable: true,
      ...(said.retryAfterMs !== undefined && { retryAfterMs: said.retryAfterMs }),
      cause,
    },
  );
}

/** An ApiError carries the body as JSON in its message, in a stream after some words of its own. */
function readGoogleError(message: string): GoogleError {
  const body = parseObject(message.slice(Math.max(0, message.search(/[[{]/))));
  const error = asRecord(asRecord(Array.isArray(body) ? body[0] : body).error);
  const details = (Array.isArray(error.details) ? error.details : []).map(asRecord);
  const delays = details.map(({ retryDelay }) => parseDelayMs(retryDelay));
  return {
    status: asText(error.status),
    message: asText(error.message),
    reasons: details.map(({ reason }) => asText(reason)),
    retryAfterMs: delays.find((delayMs) => delayMs !== undefined),
  };
}

function parseObject(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A google.protobuf.Duration in JSON: "34.07s". */
function parseDelayMs(delay: unknown): number | undefined {
  const seconds = /^(\d{1,9}(?:\.\d{1,9})?)s$/.exec(asText(delay))?.[1];
  return seconds === undefined ? undefined : Math.ceil(Number(seconds) * 1_000);
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The SDK's own words, as it has no codes: a stream that is cut, and JSON that is none. */
function isBrokenStream(error: unknown): boolean {
  if (error instanceof SyntaxError) return true;
  if (!(error instanceof Error)) return false;
  if (error instanceof TypeError) return error.message === "terminated";
  return /^Incomplete JSON segment|^exception parsing stream chunk|^Response body is empty/.test(
    error.message,
  );
}

/** fetch rejects with a TypeError whose cause is the reason; undici's own errors have codes. */
function isNetworkError(error: unknown): boolean {
  if (error instanceof TypeError)
    return error.message === "fetch failed" || error.cause !== undefined;
  return /^(?:UND_ERR|E[A-Z]+$)/.test(asText(asRecord(error).code));
}

/** google-auth-library on Vertex AI, when there is nothing to sign in with. */
function isCredentialsError(error: unknown): boolean {
  return (
    error instanceof Error && /default credentials|invalid_grant|credential/i.test(error.message)
  );
}

function withoutKey(error: unknown, apiKey: string | undefined): unknown {
  const shown = inspect(error, { depth: 5 });
  return apiKey && shown.includes(apiKey) ? new Error(hide(shown, apiKey)) : error;
}

function hide(text: string, apiKey: string | undefined): string {
  return apiKey ? text.replaceAll(apiKey, "[key]") : text;
}
