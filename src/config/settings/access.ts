import * as parse from "../parse.ts";
import { optional, type Settings } from "../setting.ts";

const group = "Who may call";

/** What callers show to be let in; without any of it, only this machine may call. */
export const accessSettings = {
  AUTH_KEYS_FILE: optional(
    group,
    "path",
    parse.file,
    "API keys, as written by chatwire keys create; read again when it changes",
  ),
  AUTH_JWKS_URL: optional(
    group,
    "url",
    parse.webUrl,
    "Where the issuer of tokens (JWT) publishes its keys; with AUTH_ISSUER and AUTH_AUDIENCE",
  ),
  AUTH_ISSUER: optional(group, "text", parse.plainText, "The iss that tokens must have"),
  AUTH_AUDIENCE: optional(group, "text", parse.plainText, "The aud that tokens must have"),
  TLS_CLIENT_CA_FILE: optional(
    group,
    "path",
    parse.file,
    "Authorities, PEM, one of which must have signed the certificate that each client shows",
  ),
} as const satisfies Settings;
