import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { envExample } from "../../src/config/env-example.ts";
import { laterSettings } from "../../src/config/later.ts";
import { flagKeyOf, flagOf, settingNames, settings } from "../../src/config/settings.ts";
import {
  type Config,
  ConfigError,
  type ConfigSources,
  describeDefaultModel,
  loadConfig,
} from "../../src/config.ts";

const cwd = resolve("/srv/chatwire");

function load(sources: Partial<ConfigSources>): Config {
  return loadConfig({ env: {}, cwd, ...sources });
}

function problemsOf(sources: Partial<ConfigSources>): readonly string[] {
  try {
    load(sources);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  assert.fail("the configuration was accepted");
}

/** The one problem that a single setting in the environment makes. */
function problemOf(name: string, value: string, more: Record<string, string> = {}): string {
  const problems = problemsOf({ env: { ...more, [name]: value } });
  assert.equal(problems.length, 1, problems.join("\n"));
  const [problem = ""] = problems;
  assert.ok(problem.includes(name), problem);
  return problem;
}

describe("without any configuration", () => {
  test("it listens on loopback, keeps sessions in SQLite and answers as Eliza", () => {
    const config = load({});
    assert.equal(config.host, "localhost");
    assert.equal(config.port, 50051);
    assert.deepEqual(config.database, { type: "sqlite", path: resolve(cwd, "data/chatwire.db") });
    assert.equal(config.durability, "full");
    assert.equal(config.defaultModel, "eliza");
    assert.equal(config.gemini, undefined);
    assert.equal(config.tls, undefined);
    assert.deepEqual(config.allowedHosts, []);
    assert.deepEqual(config.warnings, []);
  });

  test("bounds and times are those that the design names", () => {
    const config = load({});
    assert.equal(config.messageBytesMax, 2 ** 20);
    assert.equal(config.connectionStreamsMax, 250);
    assert.equal(config.firstChunkTimeoutMs, 120_000);
    assert.equal(config.idleChunkTimeoutMs, 120_000);
    assert.equal(config.turnTimeoutMs, 600_000);
    assert.equal(config.heartbeatMs, 15_000);
    assert.equal(config.drainTimeoutMs, 30_000);
    assert.equal(config.eventRetentionMs, 600_000);
    assert.equal(config.eventRetentionBytes, 256 * 2 ** 20);
  });

  test("the config is frozen all the way down", () => {
    const config = load({
      env: {
        GEMINI_API_KEY: "k",
        MODEL_ALIASES: "fast=eliza",
        ALLOWED_HOSTS: "a",
        CORS_ORIGINS: "http://a",
        TLS_CERT_FILE: "c.pem",
        TLS_KEY_FILE: "k.pem",
      },
    });
    const frozen = (value: unknown): boolean =>
      typeof value !== "object" ||
      value === null ||
      (Object.isFrozen(value) && Object.values(value).every(frozen));
    assert.ok(frozen(config));
    assert.ok(frozen(load({})));
  });
});

describe("sources", () => {
  test("flags win over the environment, and the environment over .env", () => {
    const dotEnvText = "PORT=1\nHEARTBEAT_MS=100\nLOG_LEVEL=debug\n";
    const env = { PORT: "2", HEARTBEAT_MS: "200" };
    const config = load({ dotEnvText, env, flags: { port: "3" } });
    assert.deepEqual([config.port, config.heartbeatMs, config.logLevel], [3, 200, "debug"]);
  });

  test("a variable that is set but empty means the default, whatever .env says", () => {
    const config = load({ dotEnvText: "GEMINI_API_KEY=from-file", env: { GEMINI_API_KEY: "" } });
    assert.equal(config.gemini, undefined);
    assert.equal(load({ env: { PORT: "" } }).port, 50051);
  });

  test(".env may have quotes, comments, CRLF, `export` and a byte order mark", () => {
    const dotEnvText =
      "\uFEFFPORT=7 # why\r\nexport LOG_LEVEL='warn'\r\nALLOWED_HOSTS=\"a, b\"\r\n";
    const config = load({ dotEnvText });
    assert.deepEqual([config.port, config.logLevel], [7, "warn"]);
    assert.deepEqual(config.allowedHosts, ["a", "b"]);
  });

  test("a name in .env that means nothing is warned of; proxy variables are not", () => {
    const { warnings } = load({ dotEnvText: "GEMINI_APIKEY=x\nHTTPS_PROXY=http://p\nno_proxy=a" });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? "", /GEMINI_APIKEY/);
  });

  test("a switch needs no value, and an unknown flag is refused", () => {
    assert.equal(load({ flags: { scriptedModel: true } }).scriptedModel, true);
    assert.equal(
      load({ flags: { scriptedModel: "0" }, env: { SCRIPTED_MODEL: "1" } }).scriptedModel,
      false,
    );
    assert.match(problemsOf({ flags: { prot: "1" } })[0] ?? "", /prot/);
  });

  test("secrets have no flag, everything else has one, and no two are alike", () => {
    const keys = settingNames.filter((name) => !settings[name].secret).map(flagKeyOf);
    assert.ok(keys.every((key) => key !== undefined));
    assert.equal(new Set(keys).size, keys.length);
    assert.equal(flagOf("GEMINI_API_KEY"), undefined);
    assert.equal(flagOf("DATABASE_URL"), "database-url");
  });
});

describe("problems", () => {
  test("all are reported at once, each with its name, value, source and what is expected", () => {
    const problems = problemsOf({
      env: { PORT: "http", DURABILITY: "some" },
      dotEnvText: "HEARTBEAT_MS=-1",
      flags: { logLevel: "loud" },
    });
    assert.equal(problems.length, 4);
    const text = problems.join("\n");
    assert.match(
      text,
      /PORT="http" \(from the environment\): expected a whole number from 0 to 65535/,
    );
    assert.match(text, /HEARTBEAT_MS="-1" \(from \.env\)/);
    assert.match(text, /LOG_LEVEL="loud" \(from --log-level\): expected one of .*warn/);
    assert.match(text, /DURABILITY="some"/);
  });

  test("a secret, and a password in a URL, are not shown", () => {
    for (const problem of [
      problemOf("GEMINI_API_KEY", "hush hush"),
      problemOf("DATABASE_URL", "postgres://me:hush@db/chat"),
      problemOf("GEMINI_BASE_URL", "https://me:hush@host/"),
    ]) {
      assert.doesNotMatch(problem, /hush/);
    }
  });

  test("numbers are whole, decimal and within their bounds", () => {
    for (const value of ["65536", "-1", "1.5", "NaN", "Infinity", "1e3", "0x10", "9".repeat(40)]) {
      problemOf("PORT", value);
    }
    assert.equal(load({ env: { PORT: "0" } }).port, 0);
    assert.equal(load({ env: { PORT: "65535" } }).port, 65_535);
  });

  test("no duration is longer than a timer can wait", () => {
    // What is compared with the age of a session is no timer's.
    const names = settingNames.filter((n) => n.endsWith("_MS") && n !== "SESSION_TTL_MS");
    assert.ok(names.length >= 5);
    for (const name of names) {
      problemOf(name, String(2 ** 31));
      load({ env: { [name]: String(2 ** 31 - 1) } });
    }
  });

  test("sessions may live for years, and a short life is warned of", () => {
    const ttl = (text: string) => load({ env: { SESSION_TTL_MS: text } });
    assert.equal(load({}).sessionTtlMs, 0);
    const year = ttl(String(365 * 24 * 60 * 60 * 1_000));
    assert.deepEqual([year.sessionTtlMs, year.warnings], [31_536_000_000, []]);
    assert.match(ttl("86400").warnings.join(), /SESSION_TTL_MS=86400 .* for 86.4 s/);
    problemOf("SESSION_TTL_MS", "-1");
  });

  test("booleans are 0, 1, true and false", () => {
    for (const value of ["1", "true", "TRUE"]) {
      assert.equal(load({ env: { SCRIPTED_MODEL: value } }).scriptedModel, true);
    }
    assert.equal(load({ env: { SCRIPTED_MODEL: "false" } }).scriptedModel, false);
    problemOf("SCRIPTED_MODEL", "yes");
  });

  test("sizes are bytes, or have a unit of 1,024 or of 1,000", () => {
    const size = (text: string) => load({ env: { MESSAGE_BYTES_MAX: text } }).messageBytesMax;
    assert.deepEqual(
      ["1000", "64KiB", "1 MiB", "1mb", "64kb", "5B"].map(size),
      [1000, 65_536, 1_048_576, 1_000_000, 64_000, 5],
    );
    for (const value of ["0", "2MiB", "1.5MiB", "MiB", "-1", "1 XB", "1TiB"]) {
      problemOf("MESSAGE_BYTES_MAX", value);
    }
  });

  test("the speed of Eliza may have a fraction", () => {
    assert.equal(load({ env: { ELIZA_WORDS_PER_SECOND: "2.5" } }).elizaWordsPerSecond, 2.5);
    for (const value of ["-1", "fast", "1e9", "."]) problemOf("ELIZA_WORDS_PER_SECOND", value);
  });

  test("TLS needs both files, and each must be readable", () => {
    assert.match(problemOf("TLS_CERT_FILE", "c.pem"), /TLS_KEY_FILE is missing/);
    assert.match(problemOf("TLS_KEY_FILE", "k.pem"), /TLS_CERT_FILE is missing/);
    const env = { TLS_CERT_FILE: "c.pem", TLS_KEY_FILE: "/k.pem" };
    assert.deepEqual(load({ env }).tls, {
      certFile: resolve(cwd, "c.pem"),
      keyFile: resolve("/k.pem"),
      clientCaFile: undefined,
    });
    const problems = problemsOf({ env, fileProblem: (path) => `${path} cannot be read` });
    assert.equal(problems.length, 2);
  });

  test("the default .env.example shows has the same effect as leaving a setting out", () => {
    const lines = envExample().matchAll(/^#([A-Z_]+)=(.*)$/gm);
    const env = Object.fromEntries([...lines].map(([, name, value]) => [name, value]));
    assert.deepEqual(load({ env }), { ...load({}), warnings: load({ env }).warnings });
  });
});

describe("who may reach it", () => {
  test("HOST may be any loopback address", () => {
    for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "LOCALHOST"]) {
      load({ env: { HOST: host } });
    }
    assert.equal(load({ env: { HOST: "[::1]" } }).host, "::1");
  });

  test("another HOST needs ALLOW_ANONYMOUS=1, and the message says why and how", () => {
    for (const host of ["0.0.0.0", "::", "192.168.1.5", "chat.example.org", "localhost.example"]) {
      assert.match(
        problemOf("HOST", host),
        /nobody has to show who they are.*AUTH_KEYS_FILE.*ALLOW_ANONYMOUS=1/,
      );
      assert.equal(load({ env: { HOST: host, ALLOW_ANONYMOUS: "1" } }).host, host);
    }
  });

  test("another HOST is fine where callers show who they are", () => {
    const keys = { HOST: "0.0.0.0", AUTH_KEYS_FILE: "keys.json" };
    assert.deepEqual(load({ env: keys }).auth, {
      keysFile: resolve(cwd, "keys.json"),
      jwt: undefined,
      certificates: false,
    });
    const jwt = {
      AUTH_JWKS_URL: "https://issuer.example/keys?v=1",
      AUTH_ISSUER: "https://issuer.example",
      AUTH_AUDIENCE: "chatwire",
    };
    assert.deepEqual(load({ env: { HOST: "0.0.0.0", ...jwt } }).auth?.jwt, {
      jwksUrl: "https://issuer.example/keys?v=1",
      issuer: "https://issuer.example",
      audience: "chatwire",
    });
    const tls = { TLS_CERT_FILE: "c.pem", TLS_KEY_FILE: "k.pem", TLS_CLIENT_CA_FILE: "ca.pem" };
    const { auth, tls: files } = load({ env: { HOST: "0.0.0.0", ...tls } });
    assert.equal(auth?.certificates, true);
    assert.equal(files?.clientCaFile, resolve(cwd, "ca.pem"));
    assert.equal(load({}).auth, undefined);
  });

  test("half of a way to show who one is is refused", () => {
    assert.match(problemOf("AUTH_ISSUER", "me"), /AUTH_ISSUER set without AUTH_JWKS_URL and/);
    assert.match(problemOf("TLS_CLIENT_CA_FILE", "ca.pem"), /without TLS_CERT_FILE/);
    assert.match(problemsOf({ env: { AUTH_JWKS_URL: "ftp://x/" } })[0] ?? "", /expected a URL/);
  });

  test("limits of callers are absent where they are 0", () => {
    assert.deepEqual(load({}).callerLimits, {});
    const env = { TURNS_PER_MINUTE_MAX: "30", TOKENS_PER_DAY_MAX: "1000000" };
    assert.deepEqual(load({ env }).callerLimits, {
      turnsPerMinuteMax: 30,
      tokensPerDayMax: 1_000_000,
    });
  });

  test("trusted proxies are addresses and networks", () => {
    const { trustedProxies } = load({ env: { TRUSTED_PROXIES: "10.0.0.0/8, ::1,192.168.1.7" } });
    assert.deepEqual(trustedProxies, ["10.0.0.0/8", "::1", "192.168.1.7"]);
    for (const value of ["proxy.example", "10.0.0.0/33", "10.0.0", "::1/129", "1.2.3.4/"]) {
      problemOf("TRUSTED_PROXIES", value);
    }
  });

  test("a HOST that is no host is refused, not resolved", () => {
    for (const host of [
      "http://localhost",
      "localhost:50051",
      "a b",
      "127.1",
      "256.0.0.1",
      "a/b",
    ]) {
      problemOf("HOST", host);
    }
  });

  test("origins are normalised, and a wildcard, a path or another scheme is refused", () => {
    const { corsOrigins } = load({
      env: { CORS_ORIGINS: "https://A.example:443, http://b.example:8080/,https://a.example" },
    });
    assert.deepEqual(corsOrigins, ["https://a.example", "http://b.example:8080"]);
    for (const value of [
      "*",
      "null",
      "https://*.example",
      "https://a/b",
      "file:///x",
      "a.example",
      ",",
    ]) {
      problemOf("CORS_ORIGINS", value);
    }
  });

  test("allowed hosts are names without ports, in lower case", () => {
    const env = { ALLOWED_HOSTS: "Chat.Example,[fd00::1],,10.0.0.5" };
    assert.deepEqual(load({ env }).allowedHosts, ["chat.example", "fd00::1", "10.0.0.5"]);
    for (const value of ["*", "a:80", "http://a"]) problemOf("ALLOWED_HOSTS", value);
  });
});

describe("storage", () => {
  test("the path is relative to the working directory", () => {
    const path = (text: string) => load({ env: { DATABASE_URL: text } }).database;
    assert.deepEqual(path("sqlite:a b/c.db"), { type: "sqlite", path: resolve(cwd, "a b/c.db") });
    assert.deepEqual(path("sqlite:/var/c.db"), { type: "sqlite", path: resolve("/var/c.db") });
    assert.deepEqual(path("memory:"), { type: "memory" });
  });

  test("what is neither a path nor memory: is refused", () => {
    for (const value of [
      "data/chatwire.db",
      "sqlite:",
      "sqlite://x.db",
      "sqlite:///x.db",
      "sqlite::memory:",
      "sqlite:data/",
      "sqlite:x.db?mode=ro",
      "memory:x",
      "mysql://h/d",
    ]) {
      assert.match(problemOf("DATABASE_URL", value), /expected sqlite:path/);
    }
  });
});

describe("settings of later releases", () => {
  test("those that would be unsafe to ignore are refused, PostgreSQL among them", () => {
    assert.doesNotMatch(problemOf("REDIS_URL", "hush"), /hush/);
    assert.match(problemsOf({ dotEnvText: "REDIS_URL=x" })[0] ?? "", /REDIS_URL/);
    assert.match(problemOf("DATABASE_URL", "postgresql://h/d"), /no PostgreSQL yet/);
  });

  test("every other is warned of by name, and never ignored in silence", () => {
    const names = Object.keys(laterSettings).filter((name) => laterSettings[name] === "warn");
    assert.ok(names.includes("OPENAI_API_KEY") && names.includes("MODEL_FALLBACKS"));
    for (const name of names) {
      const { warnings } = load({ env: { [name]: "hush" } });
      assert.equal(warnings.length, 1);
      assert.ok(warnings[0]?.includes(name));
      assert.doesNotMatch(warnings[0] ?? "", /hush/);
    }
  });

  test("no setting is both of this release and of a later one", () => {
    assert.deepEqual(
      settingNames.filter((name) => Object.hasOwn(laterSettings, name)),
      [],
    );
  });
});

describe("the default model", () => {
  test("is what the configuration makes it, and says why", () => {
    const why = (env: Record<string, string>) => describeDefaultModel(load({ env }));
    assert.match(why({}), /^eliza, because no GEMINI_API_KEY is set/);
    assert.equal(why({ GEMINI_API_KEY: "k" }), "gemini-3.8-flash, because GEMINI_API_KEY is set");
    assert.equal(why({ GOOGLE_API_KEY: "k" }), "gemini-3.8-flash, because GOOGLE_API_KEY is set");
    assert.equal(
      why({ GOOGLE_CLOUD_PROJECT: "p", GOOGLE_CLOUD_LOCATION: "global", GEMINI_MODELS: "a,b" }),
      "a, because GOOGLE_CLOUD_PROJECT is set",
    );
    assert.equal(
      why({ GEMINI_API_KEY: "k", DEFAULT_MODEL: "eliza" }),
      "eliza, because DEFAULT_MODEL is eliza",
    );
    assert.equal(
      why({ DEFAULT_MODEL: "demo", MODEL_ALIASES: "demo=scripted:5x1", SCRIPTED_MODEL: "1" }),
      "scripted:5x1, because DEFAULT_MODEL is demo",
    );
  });

  test("GEMINI_API_KEY comes before GOOGLE_API_KEY, and a key before Vertex AI", () => {
    const env = {
      GEMINI_API_KEY: "one",
      GOOGLE_API_KEY: "two",
      GOOGLE_CLOUD_PROJECT: "p",
      GOOGLE_CLOUD_LOCATION: "l",
    };
    assert.deepEqual(load({ env }).gemini?.access, { type: "key", apiKey: "one" });
  });

  test("half of a Vertex AI set-up, or a Gemini setting without Gemini, is warned of", () => {
    const warned = (env: Record<string, string>) => load({ env }).warnings.join(" ");
    assert.match(warned({ GOOGLE_CLOUD_PROJECT: "p" }), /without GOOGLE_CLOUD_LOCATION/);
    assert.match(warned({ GOOGLE_CLOUD_LOCATION: "l" }), /without GOOGLE_CLOUD_PROJECT/);
    assert.match(warned({ GEMINI_MODELS: "a" }), /GEMINI_MODELS has no effect/);
    assert.equal(warned({ GEMINI_MODELS: "a", GEMINI_API_KEY: "k" }), "");
  });

  test("a DEFAULT_MODEL that is not there is refused, naming those that are", () => {
    assert.match(problemOf("DEFAULT_MODEL", "gpt"), /there are: eliza$/);
    assert.match(problemOf("DEFAULT_MODEL", "gemini-3.8-flash"), /GEMINI_API_KEY/);
    assert.match(problemOf("DEFAULT_MODEL", "scripted:echo"), /SCRIPTED_MODEL=1/);
    const key = { GEMINI_API_KEY: "k" };
    assert.match(problemOf("DEFAULT_MODEL", "gemini-4-argon", key), /GEMINI_MODELS adds it/);
  });

  test("an alias leads to a model, never to another alias, and hides none", () => {
    const aliases = (text: string) => load({ env: { MODEL_ALIASES: text } }).modelAliases;
    assert.deepEqual(aliases("a=eliza, b = eliza"), { a: "eliza", b: "eliza" });
    for (const value of ["a", "a=", "=eliza", "a=b=c", "a=b,b=eliza", "a=eliza,a=eliza", "a=gpt"]) {
      problemOf("MODEL_ALIASES", value);
    }
    assert.match(problemOf("MODEL_ALIASES", "eliza=eliza"), /itself an alias/);
  });
});

test(".env.example is what the table of settings makes it", () => {
  const written = readFileSync(new URL("../../.env.example", import.meta.url), "utf8");
  assert.equal(written, envExample(), "run: node src/config/env-example.ts > .env.example");
});

describe("reading the process's own", () => {
  /** Reads the configuration in a process that runs in `cwd`, and prints what `expression` makes of it. */
  function read(cwd: string, expression: string, env: Record<string, string> = {}) {
    const module = new URL("../../src/config/read.ts", import.meta.url).href;
    const script = `import { readConfig } from ${JSON.stringify(module)};
      try { const config = readConfig(); console.log(JSON.stringify(${expression})); }
      catch (error) { console.log(error.message); }`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      cwd,
      env,
      encoding: "utf8",
    });
    return stdout.trim();
  }

  function directory(t: TestContext): string {
    const path = mkdtempSync(join(tmpdir(), "chatwire-config-"));
    t.after(() => rmSync(path, { recursive: true, force: true }));
    return path;
  }

  test("takes .env from the working directory, and need not find one", (t) => {
    const cwd = directory(t);
    assert.equal(read(cwd, "config.port"), "50051");
    writeFileSync(join(cwd, ".env"), "PORT=7\nHEARTBEAT_MS=70\nHTTPS_PROXY=http://proxy\n");
    const env = { HEARTBEAT_MS: "80" };
    const expression = "[config.port, config.heartbeatMs, process.env.HTTPS_PROXY]";
    assert.equal(read(cwd, expression, env), '[7,80,"http://proxy"]');
  });

  test("an unreadable .env or certificate is a problem like any other", (t) => {
    const cwd = directory(t);
    const env = { TLS_CERT_FILE: "none.pem", TLS_KEY_FILE: "none.key", PORT: "x" };
    const message = read(cwd, "0", env);
    assert.match(message, /3 problems/);
    for (const name of ["PORT=", "none.pem", "none.key"]) assert.ok(message.includes(name));
    mkdirSync(join(cwd, ".env"));
    assert.match(read(cwd, "0"), /\.env cannot be read \(EISDIR\)/);
  });
});
