import type { CallerLimits } from "../chat/caller.ts";
import { isLoopback } from "./loopback.ts";
import type { Values } from "./settings.ts";

/** At least one of the ways in which callers show who they are. */
export type AuthConfig = {
  /** Absolute. */
  readonly keysFile: string | undefined;
  readonly jwt:
    | { readonly jwksUrl: string; readonly issuer: string; readonly audience: string }
    | undefined;
  /** Whether the certificate that a client shows says who it is. */
  readonly certificates: boolean;
};

/** What the settings say of how callers show who they are. */
export function authFrom(values: Values): AuthConfig | undefined {
  const { AUTH_KEYS_FILE: keysFile, TLS_CLIENT_CA_FILE: clientCaFile } = values;
  const { AUTH_JWKS_URL: jwksUrl, AUTH_ISSUER: issuer, AUTH_AUDIENCE: audience } = values;
  const jwt = jwksUrl && issuer && audience ? { jwksUrl, issuer, audience } : undefined;
  if (!keysFile && !jwt && !clientCaFile) return undefined;
  return Object.freeze({ keysFile, jwt, certificates: clientCaFile !== undefined });
}

/** In the settings 0 is no limit; in CallerLimits an absent field is. */
export function callerLimitsFrom(values: Values): CallerLimits {
  return Object.freeze({
    ...(values.SESSIONS_PER_PRINCIPAL_MAX && { sessionsMax: values.SESSIONS_PER_PRINCIPAL_MAX }),
    ...(values.STREAMS_PER_PRINCIPAL_MAX && { streamsMax: values.STREAMS_PER_PRINCIPAL_MAX }),
    ...(values.TURNS_PER_MINUTE_MAX && { turnsPerMinuteMax: values.TURNS_PER_MINUTE_MAX }),
    ...(values.TOKENS_PER_DAY_MAX && { tokensPerDayMax: values.TOKENS_PER_DAY_MAX }),
  });
}

/** What is wrong or unsafe in who may reach the server, each naming its setting. */
export function accessProblems(values: Values): string[] {
  const problems: string[] = [];
  if (!values.ALLOW_ANONYMOUS && !isLoopback(values.HOST) && authFrom(values) === undefined) {
    problems.push(
      `HOST="${values.HOST}" is reachable from other machines, and nobody has to show who they are: ` +
        "set AUTH_KEYS_FILE (chatwire keys create writes one), AUTH_JWKS_URL or TLS_CLIENT_CA_FILE; or keep HOST=localhost; " +
        "or set ALLOW_ANONYMOUS=1, and anybody who can reach it may use the models",
    );
  }
  if ((values.TLS_CERT_FILE === undefined) !== (values.TLS_KEY_FILE === undefined)) {
    const [set, missing] = values.TLS_CERT_FILE
      ? ["TLS_CERT_FILE", "TLS_KEY_FILE"]
      : ["TLS_KEY_FILE", "TLS_CERT_FILE"];
    problems.push(`${missing} is missing: ${set} is set, and TLS needs both`);
  }
  if (values.TLS_CLIENT_CA_FILE !== undefined && values.TLS_CERT_FILE === undefined) {
    problems.push("TLS_CLIENT_CA_FILE is set without TLS_CERT_FILE and TLS_KEY_FILE");
  }
  const jwt = ["AUTH_JWKS_URL", "AUTH_ISSUER", "AUTH_AUDIENCE"] as const;
  const set = jwt.filter((name) => values[name] !== undefined);
  const missing = jwt.filter((name) => values[name] === undefined);
  if (set.length > 0 && missing.length > 0) {
    problems.push(
      `${set.join(" and ")} set without ${missing.join(" and ")}; tokens need all three`,
    );
  }
  return problems;
}
