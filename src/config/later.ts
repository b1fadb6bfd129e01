/**
 * Settings of later releases. Somebody who sets one expects something that this release does not do, so
 * none is ignored in silence.
 *
 * `refuse`: to start without it would be unsafe, or would put the data elsewhere than expected. `warn`: the
 * server works, but without it.
 */
export const laterSettings: Readonly<Record<string, "refuse" | "warn">> = {
  AUTH_KEYS_FILE: "refuse",
  AUTH_JWKS_URL: "refuse",
  AUTH_ISSUER: "refuse",
  AUTH_AUDIENCE: "refuse",
  TLS_CLIENT_CA_FILE: "refuse",
  REDIS_URL: "refuse",
  TRUSTED_PROXIES: "warn",
  OPENAI_API_KEY: "warn",
  OPENAI_BASE_URL: "warn",
  OPENAI_MODELS: "warn",
  MODEL_FALLBACKS: "warn",
  ATTACHMENT_BYTES_MAX: "warn",
  SESSIONS_PER_PRINCIPAL_MAX: "warn",
  STREAMS_PER_PRINCIPAL_MAX: "warn",
  TURNS_PER_MINUTE_MAX: "warn",
  TOKENS_PER_DAY_MAX: "warn",
  CONNECTION_AGE_MAX_MS: "warn",
  STREAMS_MAX: "warn",
  EVENT_LOOP_DELAY_SHED_MS: "warn",
  SESSION_TTL_MS: "warn",
  OTEL_EXPORTER_OTLP_ENDPOINT: "warn",
};

/** Names that are not ours but mean something to the libraries below us, and so may stand in .env. */
export const foreignNames: ReadonlySet<string> = new Set([
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "GOOGLE_APPLICATION_CREDENTIALS",
  "NODE_ENV",
  "TZ",
]);
