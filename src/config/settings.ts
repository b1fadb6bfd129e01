import { limits } from "../chat/limits.ts";
import * as parse from "./parse.ts";
import { bytes, list, milliseconds, oneOf, type Parse, wholeNumber } from "./parse.ts";

/** One thing that can be configured. The table below is what parsing, `--help` and .env.example share. */
export type Setting<Value = unknown> = {
  readonly parse: Parse<Value>;
  /** As somebody would write it. Empty: the setting may be absent, and then its value is undefined. */
  readonly default: string;
  /** What stands for the value in help: `n`, `path`. Empty on a switch, whose flag needs no value. */
  readonly placeholder: string;
  /** One sentence without its full stop. */
  readonly help: string;
  /** Never shown, and without a flag: other users can read a process's arguments. */
  readonly secret: boolean;
  /** The heading that it stands under. */
  readonly group: string;
};

/** A setting that always has a value. */
type Settled<Value> = Setting<Value> & { readonly settled: true };
/** A setting that may be absent. */
type Open<Value> = Setting<Value> & { readonly settled: false };

function withDefault<Value>(
  group: string,
  standard: string,
  placeholder: string,
  parse: Parse<Value>,
  help: string,
): Settled<Value> {
  return { parse, default: standard, placeholder, help, secret: false, group, settled: true };
}

function optional<Value>(
  group: string,
  placeholder: string,
  parse: Parse<Value>,
  help: string,
  secret = false,
): Open<Value> {
  return { parse, default: "", placeholder, help, secret, group, settled: false };
}

const listening = "Listening";
const storage = "Storage";
const models = "Models";
const bounds = "Limits";
const times = "Times, in milliseconds";

/**
 * Every setting that this release acts on (DESIGN section 5), by its name in the environment. What later
 * releases add stands in later.ts until it does something.
 */
export const settings = {
  HOST: withDefault(
    listening,
    "localhost",
    "host",
    parse.host,
    "Address to listen on; localhost means both 127.0.0.1 and ::1",
  ),
  PORT: withDefault(
    listening,
    "50051",
    "n",
    wholeNumber(0, 65_535),
    "Port for gRPC, gRPC-Web and Connect alike; 0 takes any free one",
  ),
  ALLOW_ANONYMOUS: withDefault(
    listening,
    "0",
    "",
    parse.boolean,
    "Listen beyond this machine although nobody has to sign in",
  ),
  ALLOWED_HOSTS: optional(
    listening,
    "a,b",
    list(parse.host),
    "Host names, without ports, that requests may name beside localhost",
  ),
  CORS_ORIGINS: optional(
    listening,
    "a,b",
    list(parse.origin),
    "Origins whose web pages may call, such as https://chat.example.org",
  ),
  TRUST_STREAM_RESET: withDefault(
    listening,
    "1",
    "",
    parse.boolean,
    "A gRPC client's reset of a call cancels its turns; 0 behind a proxy that resets by itself",
  ),
  TLS_CERT_FILE: optional(
    listening,
    "path",
    parse.file,
    "Certificate chain, PEM; with TLS_KEY_FILE the port speaks TLS",
  ),
  TLS_KEY_FILE: optional(listening, "path", parse.file, "The certificate's private key, PEM"),
  DATABASE_URL: withDefault(
    storage,
    "sqlite:data/chatwire.db",
    "url",
    parse.database,
    "Where sessions are kept: sqlite:path, from the working directory, or memory: to forget them at exit",
  ),
  DURABILITY: withDefault(
    storage,
    "full",
    "word",
    oneOf("full", "normal"),
    "full survives a power cut; normal leaves the last moments to the operating system",
  ),
  EVENT_RETENTION_MS: withDefault(
    storage,
    "600000",
    "ms",
    milliseconds(0),
    "How long the events of an ended turn are kept for readers that come back",
  ),
  EVENT_RETENTION_BYTES: withDefault(
    storage,
    "256MiB",
    "size",
    bytes(2 ** 20, 2 ** 40),
    "How much memory those events may take",
  ),
  DEFAULT_MODEL: optional(
    models,
    "id",
    parse.plainText,
    "Model of a session that names none; else Gemini where it is configured, else eliza",
  ),
  GEMINI_API_KEY: optional(
    models,
    "key",
    parse.key,
    "Key of the Gemini API, from https://aistudio.google.com/apikey",
    true,
  ),
  GOOGLE_API_KEY: optional(
    models,
    "key",
    parse.key,
    "The same under its other name; GEMINI_API_KEY comes first",
    true,
  ),
  GEMINI_BASE_URL: optional(
    models,
    "url",
    parse.baseUrl,
    "Where the Gemini API is, when it is not Google's own address",
  ),
  GEMINI_MODELS: withDefault(
    models,
    "gemini-3.8-flash",
    "a,b",
    list(parse.plainText),
    "Gemini models to offer; the first is the default model",
  ),
  GOOGLE_CLOUD_PROJECT: optional(
    models,
    "id",
    parse.plainText,
    "With GOOGLE_CLOUD_LOCATION and no key: Gemini on Vertex AI in this project",
  ),
  GOOGLE_CLOUD_LOCATION: optional(
    models,
    "name",
    parse.plainText,
    "Where on Vertex AI, such as global or europe-west4",
  ),
  MODEL_ALIASES: optional(
    models,
    "a=b,…",
    parse.aliases,
    "Other names for models, such as fast=gemini-3.5-flash-lite",
  ),
  SCRIPTED_MODEL: withDefault(
    models,
    "0",
    "",
    parse.boolean,
    "Offer the model for tests and load that does what its id says, such as scripted:50x20",
  ),
  ELIZA_WORDS_PER_SECOND: withDefault(
    models,
    "12",
    "n",
    parse.decimal(0, 10_000),
    "How fast Eliza speaks; 0 is at once",
  ),
  MESSAGE_BYTES_MAX: withDefault(
    bounds,
    "1MiB",
    "size",
    bytes(1, limits.messageBytesMax),
    "The largest message of a user, in UTF-8",
  ),
  CONNECTIONS_MAX: withDefault(
    bounds,
    "10000",
    "n",
    wholeNumber(1, 1_000_000),
    "Connections open at once; further ones are closed",
  ),
  CONNECTION_STREAMS_MAX: withDefault(
    bounds,
    "250",
    "n",
    wholeNumber(1, 100_000),
    "Calls open at once on one HTTP/2 connection",
  ),
  RUNNING_TURNS_MAX: withDefault(
    bounds,
    "5000",
    "n",
    wholeNumber(1, 1_000_000),
    "Turns running at once; a further one is refused and may be tried again",
  ),
  QUEUED_TURNS_MAX: withDefault(
    bounds,
    "8",
    "n",
    wholeNumber(0, 1_000),
    "Turns that may wait in one session; a further one is refused and may be tried again",
  ),
  DISCONNECT_GRACE_MS: withDefault(
    times,
    "30000",
    "ms",
    milliseconds(0),
    "How long a turn runs on that nobody reads, unless its request says otherwise",
  ),
  FIRST_CHUNK_TIMEOUT_MS: withDefault(
    times,
    "120000",
    "ms",
    milliseconds(1),
    "How long a model may take to begin its reply",
  ),
  IDLE_CHUNK_TIMEOUT_MS: withDefault(
    times,
    "120000",
    "ms",
    milliseconds(1),
    "How long a model may fall silent within its reply",
  ),
  TURN_TIMEOUT_MS: withDefault(
    times,
    "600000",
    "ms",
    milliseconds(1),
    "How long a whole turn may take",
  ),
  HEARTBEAT_MS: withDefault(
    times,
    "15000",
    "ms",
    milliseconds(10),
    "Silence on a stream after which a HEARTBEAT is sent",
  ),
  DRAIN_TIMEOUT_MS: withDefault(
    times,
    "30000",
    "ms",
    milliseconds(0),
    "How long running turns may go on after SIGTERM or SIGINT",
  ),
  LOG_LEVEL: withDefault(
    "Logging",
    "info",
    "word",
    oneOf("fatal", "error", "warn", "info", "debug", "trace", "silent"),
    "The least that is logged",
  ),
} as const satisfies Record<string, Settled<unknown> | Open<unknown>>;

export type SettingName = keyof typeof settings;

/** The value of each setting once parsed. */
export type Values = {
  readonly [Name in SettingName]: (typeof settings)[Name] extends Settled<infer Value>
    ? Value
    : (typeof settings)[Name] extends Open<infer Value>
      ? Value | undefined
      : never;
};

export const settingNames = Object.keys(settings) as SettingName[];

/** The setting's flag without its dashes, `database-url`; undefined on a secret. */
export function flagOf(name: SettingName): string | undefined {
  return settings[name].secret ? undefined : name.toLowerCase().replaceAll("_", "-");
}

/** The key of the setting's flag among parsed flags: `databaseUrl`. */
export function flagKeyOf(name: SettingName): string | undefined {
  return flagOf(name)?.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
