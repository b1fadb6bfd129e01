import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts";

/** What a failed call means for the person who made it, in words. The server is the one at `url`. */
export function explain(error: unknown, url: string): string {
  return explainNamed(error) ?? explainNetwork(error, url) ?? explainCode(error, url);
}

/** The failure as chatwire names it; undefined where it is not chatwire that failed the call. */
function explainNamed(error: unknown): string | undefined {
  const failure = ConnectError.from(error);
  const info = failure.findDetails(ErrorInfoSchema).find(({ domain }) => domain === "chatwire");
  if (info === undefined) return undefined;
  const [retry] = failure.findDetails(RetryInfoSchema);
  const { seconds = 0n, nanos = 0 } = retry?.retryDelay ?? {};
  const waitMs = Number(seconds) * 1_000 + nanos / 1e6;
  return explainReason(failure.rawMessage, info.reason, retry !== undefined, waitMs);
}

function explainCode(error: unknown, url: string): string {
  const { code, rawMessage } = ConnectError.from(error);
  if (code === Code.DeadlineExceeded) return `${url} did not answer in time`;
  // We abort our calls ourselves only where we know why: this was the other side.
  const cut = code === Code.Aborted || code === Code.Canceled;
  if (cut) return `the connection to ${url} was lost (${rawMessage})`;
  return `${rawMessage} (${Code[code]})`;
}

/** A failure that chatwire names: its message, the stable reason, and whether trying again helps. */
export function explainReason(
  message: string,
  reason: string,
  retryable: boolean,
  waitMs: number,
): string {
  const named = reason === "" ? message : `${message} (${reason})`;
  if (!retryable) return named;
  const wait = waitMs > 0 ? ` in ${Math.ceil(waitMs / 1_000)} s` : "";
  return `${named}; trying again${wait} may help`;
}

/** The system's or OpenSSL's code of what lies at the bottom of an error: ECONNREFUSED. */
function systemCodeOf(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && typeof cause.code === "string") return cause.code;
  }
  return undefined;
}

/** What kept the call from the server, where it is the network or TLS; undefined where it is neither. */
export function explainNetwork(error: unknown, url: string): string | undefined {
  const code = systemCodeOf(error);
  const { host, hostname } = new URL(url);
  switch (code) {
    case "ECONNREFUSED":
      return `nothing listens on ${url}; start it with: npm start`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `there is no host "${hostname}" (${code})`;
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "ETIMEDOUT":
      return `${host} cannot be reached (${code})`;
    case "EPROTO":
    case "ERR_SSL_WRONG_VERSION_NUMBER":
    case "ERR_SSL_PACKET_LENGTH_TOO_LONG":
      return `the server at ${url} does not speak TLS; use ${url.replace("https:", "http:")}`;
    case "CERT_HAS_EXPIRED":
      return `the certificate of ${host} has expired`;
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `the certificate of ${host} is for another host name`;
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
      return `the certificate of ${host} is not trusted (${code}); NODE_EXTRA_CA_CERTS=ca.pem in the environment makes it so`;
    default:
      return undefined;
  }
}
