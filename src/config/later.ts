/**
 * Settings of later releases. Somebody who sets one expects something that this release does not do, so
 * none is ignored in silence.
 *
 * `refuse`: to start without it would be unsafe, or would put the data elsewhere than expected. `warn`: the
 * server works, but without it.
 */
export const laterSettings: Readonly<Record<string, "refuse" | "warn">> = {
  REDIS_URL: "refuse",
  OPENAI_API_KEY: "warn",
  OPENAI_BASE_URL: "warn",
  OPENAI_MODELS: "warn",
  MODEL_FALLBACKS: "warn",
  ATTACHMENT_BYTES_MAX: "warn",
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
