import { ChatError } from "../chat/errors.ts";

/**
 * The refusal of every credential, whatever is wrong with it: who tries keys learns nothing from it. `cause` says
 * what it was to the server's own log; it holds nothing secret and is never sent.
 */
export function unauthenticated(cause: unknown): ChatError {
  const message = "a valid key or token is needed in the authorization header (scheme Bearer)";
  return new ChatError("unauthenticated", "UNAUTHENTICATED", message, { cause });
}

/** The issuer's keys cannot be had, so that nobody can say whether a token is good. */
export function authUnavailable(retryAfterMs: number, cause: unknown): ChatError {
  return new ChatError(
    "unavailable",
    "AUTH_UNAVAILABLE",
    "the server cannot check tokens at the moment, because it cannot have the issuer's keys",
    { retryable: true, retryAfterMs, cause },
  );
}
