import * as parse from "../parse.ts";
import { list, milliseconds, wholeNumber } from "../parse.ts";
import { optional, type Settings, withDefault } from "../setting.ts";

const group = "Listening";

/** Where it listens, and who may reach it. */
export const listeningSettings = {
  HOST: withDefault(
    group,
    "localhost",
    "host",
    parse.host,
    "Address to listen on; localhost means both 127.0.0.1 and ::1",
  ),
  PORT: withDefault(
    group,
    "50051",
    "n",
    wholeNumber(0, 65_535),
    "Port for gRPC, gRPC-Web and Connect alike; 0 takes any free one",
  ),
  ALLOW_ANONYMOUS: withDefault(
    group,
    "0",
    "",
    parse.boolean,
    "Listen beyond this machine although nobody has to sign in",
  ),
  ALLOWED_HOSTS: optional(
    group,
    "a,b",
    list(parse.host),
    "Host names, without ports, that requests may name beside localhost",
  ),
  CORS_ORIGINS: optional(
    group,
    "a,b",
    list(parse.origin),
    "Origins whose web pages may call, such as https://chat.example.org",
  ),
  TRUST_STREAM_RESET: withDefault(
    group,
    "1",
    "",
    parse.boolean,
    "A gRPC client's reset of a call cancels its turns; 0 behind a proxy that resets by itself",
  ),
  TLS_CERT_FILE: optional(
    group,
    "path",
    parse.file,
    "Certificate chain, PEM; with TLS_KEY_FILE the port speaks TLS",
  ),
  TLS_KEY_FILE: optional(group, "path", parse.file, "The certificate's private key, PEM"),
  TRUSTED_PROXIES: optional(
    group,
    "a,b",
    list(parse.network),
    "Proxies whose X-Forwarded-For is believed: addresses or networks such as 10.0.0.0/8",
  ),
  CONNECTION_AGE_MAX_MS: withDefault(
    group,
    "0",
    "ms",
    milliseconds(0),
    "Age, give or take a tenth, at which a connection is let go once its calls are over; 0 is never",
  ),
} as const satisfies Settings;
