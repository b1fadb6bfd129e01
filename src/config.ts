import type { CallerLimits } from "./chat/caller.ts";
import { type AuthConfig, accessProblems, authFrom, callerLimitsFrom } from "./config/access.ts";
import { foreignNames, laterSettings } from "./config/later.ts";
import {
  chooseDefaultModel,
  type GeminiConfig,
  geminiFrom,
  modelProblems,
} from "./config/models.ts";
import type { Database } from "./config/parse.ts";
import { type SettingName, settingNames, settings, type Values } from "./config/settings.ts";
import { type Flags, type Found, findValues, parseEnvText, show } from "./config/sources.ts";

/** What the server runs by: checked, with units in its names, and frozen. DESIGN section 5. */
export type Config = {
  /** A host name or address, in lower case and without brackets. */
  readonly host: string;
  /** From 0 (any free port) to 65535. */
  readonly port: number;
  readonly allowAnonymous: boolean;
  /** Host names in lower case, without ports. */
  readonly allowedHosts: readonly string[];
  /** As browsers write them in `Origin`. */
  readonly corsOrigins: readonly string[];
  /** Absolute paths of PEM files. Undefined: plaintext. */
  readonly tls: TlsFiles | undefined;
  /** How callers show who they are. Undefined: they do not. */
  readonly auth: AuthConfig | undefined;
  /** Addresses and networks whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  /** 0: connections may grow as old as they like. */
  readonly connectionAgeMaxMs: number;
  readonly database: Database;
  readonly durability: "full" | "normal";
  readonly eventRetentionMs: number;
  readonly eventRetentionBytes: number;
  /** 0: sessions are kept for ever. */
  readonly sessionTtlMs: number;
  /** The id of a model, aliases resolved. */
  readonly defaultModel: string;
  /** Why it is that one, in words that follow "because". */
  readonly defaultModelReason: string;
  /** Undefined: Gemini is not offered. */
  readonly gemini: GeminiConfig | undefined;
  /** Alias to model id; never to another alias. */
  readonly modelAliases: Readonly<Record<string, string>>;
  readonly scriptedModel: boolean;
  /** 0: at once. */
  readonly elizaWordsPerSecond: number;
  readonly messageBytesMax: number;
  readonly connectionsMax: number;
  readonly connectionStreamsMax: number;
  readonly runningTurnsMax: number;
  readonly queuedTurnsMax: number;
  readonly streamsMax: number;
  /** 0: never. */
  readonly eventLoopDelayShedMs: number;
  /** What each principal may use unless its key says otherwise; an absent field is no limit. */
  readonly callerLimits: CallerLimits;
  readonly disconnectGraceMs: number;
  /** Whether a native gRPC client's reset of a call cancels its turns. */
  readonly trustStreamReset: boolean;
  readonly firstChunkTimeoutMs: number;
  readonly idleChunkTimeoutMs: number;
  readonly turnTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly drainTimeoutMs: number;
  readonly logLevel: Values["LOG_LEVEL"];
  readonly logContent: boolean;
  /** Undefined: no traces. */
  readonly otlpEndpoint: string | undefined;
  /** What the operator should know although the server starts: whole sentences to log at the start. */
  readonly warnings: readonly string[];
};

/** Absolute paths of PEM files. */
export type TlsFiles = {
  readonly certFile: string;
  readonly keyFile: string;
  /** Clients must show a certificate that one of these has signed. */
  readonly clientCaFile: string | undefined;
};

/** The server cannot start with this configuration. `problems` has all of them, each beginning with its setting. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];
  /**
   * The configuration with the default in the place of what could not be parsed: not to be served with, but what
   * else is wrong can be looked for. Undefined where nothing of it was read.
   */
  readonly rest: Config | undefined;

  constructor(problems: readonly string[], rest?: Config) {
    super(
      `the configuration has ${problems.length === 1 ? "a problem" : `${problems.length} problems`}:\n` +
        problems.map((problem) => `  - ${problem}`).join("\n"),
    );
    this.problems = problems;
    this.rest = rest;
  }
}

export type ConfigSources = {
  /** The environment. A variable that is set but empty means "the default", whatever .env says. */
  env: Readonly<Record<string, string | undefined>>;
  /** Parsed flags by their camel-case names (`databaseUrl`); they win over everything. */
  flags?: Flags;
  /** The content of `.env`; the environment wins over it. */
  dotEnvText?: string;
  /** What relative paths are relative to. */
  cwd?: string;
  /** Why a file cannot be read, or undefined where it can; called for each file the server will need. */
  fileProblem?: (path: string) => string | undefined;
};

/** Makes a Config of its sources. Throws ConfigError with every problem at once; reads nothing itself. */
export function loadConfig(sources: ConfigSources): Config {
  const cwd = sources.cwd ?? process.cwd();
  const dotEnv = parseEnvText(sources.dotEnvText ?? "");
  const layers = { env: sources.env, flags: sources.flags ?? {}, dotEnv };
  const { found, problems } = findValues(layers);
  const values = parseValues(found, cwd, problems);
  const later = laterIn({ ...dotEnv, ...sources.env });
  problems.push(...later.problems, ...accessProblems(values), ...modelProblems(values));
  for (const name of fileSettings) {
    const problem = values[name] && sources.fileProblem?.(values[name]);
    if (problem) problems.push(`${show(name, found.get(name))}: ${problem}`);
  }
  const warnings = [
    ...later.warnings,
    ...unknownIn(dotEnv),
    ...unusedIn(values, found),
    ...hastyIn(values),
  ];
  const config = toConfig(values, warnings);
  if (problems.length > 0) throw new ConfigError(problems, config);
  return config;
}

/** The files that the server reads at its start. */
const fileSettings = [
  "TLS_CERT_FILE",
  "TLS_KEY_FILE",
  "TLS_CLIENT_CA_FILE",
  "AUTH_KEYS_FILE",
] as const;

/** The default model and why it is that one: "gemini-3.8-flash, because GEMINI_API_KEY is set". */
export function describeDefaultModel(config: Config): string {
  return `${config.defaultModel}, because ${config.defaultModelReason}`;
}

/** The value of every setting; one that cannot be parsed is reported and has its default, so that the rest is checked too. */
function parseValues(
  found: ReadonlyMap<SettingName, Found>,
  cwd: string,
  problems: string[],
): Values {
  const parsed = settingNames.map((name) => {
    const { parse, default: standard } = settings[name];
    const standardValue = standard === "" ? undefined : parse(standard, cwd);
    const given = found.get(name);
    if (given === undefined) return [name, standardValue];
    try {
      return [name, parse(given.text, cwd)];
    } catch (error) {
      problems.push(`${show(name, given)}: ${(error as Error).message}`);
      return [name, standardValue];
    }
  });
  return Object.fromEntries(parsed);
}

function laterIn(env: ConfigSources["env"]): { problems: string[]; warnings: string[] } {
  const problems: string[] = [];
  const warnings: string[] = [];
  for (const [name, without] of Object.entries(laterSettings)) {
    if (!env[name]?.trim()) continue;
    if (without === "warn")
      warnings.push(`${name} is set, but this release does not act on it yet.`);
    else problems.push(`${name} is set, but this release cannot do what it asks for; unset it`);
  }
  return { problems, warnings };
}

function unknownIn(dotEnv: Readonly<Record<string, string>>): string[] {
  const known = (name: string) =>
    Object.hasOwn(settings, name) ||
    Object.hasOwn(laterSettings, name) ||
    foreignNames.has(name.toUpperCase());
  return Object.keys(dotEnv)
    .filter((name) => !known(name))
    .map(
      (name) => `.env sets ${name}, which chatwire does not know; .env.example lists its settings.`,
    );
}

function unusedIn(values: Values, found: ReadonlyMap<SettingName, Found>): string[] {
  const warnings: string[] = [];
  const { GOOGLE_CLOUD_PROJECT: project, GOOGLE_CLOUD_LOCATION: location } = values;
  if (geminiFrom(values) !== undefined) return warnings;
  if (project !== undefined || location !== undefined) {
    const [set, missing] = project
      ? ["GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"]
      : ["GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_PROJECT"];
    warnings.push(`${set} is set without ${missing}, so Vertex AI is not used.`);
  }
  for (const name of ["GEMINI_BASE_URL", "GEMINI_MODELS"] as const) {
    if (found.has(name)) warnings.push(`${name} has no effect without GEMINI_API_KEY.`);
  }
  return warnings;
}

/** Somebody may have thought of seconds. */
function hastyIn({ SESSION_TTL_MS: ttlMs }: Values): string[] {
  if (ttlMs === 0 || ttlMs >= 60 * 60 * 1_000) return [];
  return [`SESSION_TTL_MS=${ttlMs} deletes sessions that nobody changes for ${ttlMs / 1_000} s.`];
}

function toConfig(values: Values, warnings: string[]): Config {
  const { modelId, reason } = chooseDefaultModel(values);
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = values;
  return Object.freeze({
    host: values.HOST,
    port: values.PORT,
    allowAnonymous: values.ALLOW_ANONYMOUS,
    allowedHosts: values.ALLOWED_HOSTS ?? Object.freeze([]),
    corsOrigins: values.CORS_ORIGINS ?? Object.freeze([]),
    tls:
      certFile && keyFile
        ? Object.freeze({ certFile, keyFile, clientCaFile: values.TLS_CLIENT_CA_FILE })
        : undefined,
    auth: authFrom(values),
    trustedProxies: values.TRUSTED_PROXIES ?? Object.freeze([]),
    connectionAgeMaxMs: values.CONNECTION_AGE_MAX_MS,
    database: values.DATABASE_URL,
    durability: values.DURABILITY,
    eventRetentionMs: values.EVENT_RETENTION_MS,
    eventRetentionBytes: values.EVENT_RETENTION_BYTES,
    sessionTtlMs: values.SESSION_TTL_MS,
    defaultModel: modelId,
    defaultModelReason: reason,
    gemini: geminiFrom(values),
    modelAliases: values.MODEL_ALIASES ?? Object.freeze({}),
    scriptedModel: values.SCRIPTED_MODEL,
    elizaWordsPerSecond: values.ELIZA_WORDS_PER_SECOND,
    messageBytesMax: values.MESSAGE_BYTES_MAX,
    connectionsMax: values.CONNECTIONS_MAX,
    connectionStreamsMax: values.CONNECTION_STREAMS_MAX,
    runningTurnsMax: values.RUNNING_TURNS_MAX,
    queuedTurnsMax: values.QUEUED_TURNS_MAX,
    streamsMax: values.STREAMS_MAX,
    eventLoopDelayShedMs: values.EVENT_LOOP_DELAY_SHED_MS,
    callerLimits: callerLimitsFrom(values),
    disconnectGraceMs: values.DISCONNECT_GRACE_MS,
    trustStreamReset: values.TRUST_STREAM_RESET,
    firstChunkTimeoutMs: values.FIRST_CHUNK_TIMEOUT_MS,
    idleChunkTimeoutMs: values.IDLE_CHUNK_TIMEOUT_MS,
    turnTimeoutMs: values.TURN_TIMEOUT_MS,
    heartbeatMs: values.HEARTBEAT_MS,
    drainTimeoutMs: values.DRAIN_TIMEOUT_MS,
    logLevel: values.LOG_LEVEL,
    logContent: values.LOG_CONTENT,
    otlpEndpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT,
    warnings: Object.freeze(warnings),
  });
}
