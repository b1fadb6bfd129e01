import { inspect } from "node:util";
import { type App, buildApp } from "./app.ts";
import { readConfig } from "./config/read.ts";
import type { Flags } from "./config/sources.ts";
import { type Config, ConfigError } from "./config.ts";
import { ListenError } from "./listener/bind.ts";
import { TlsFileError } from "./listener/check-tls-files.ts";
import { NoRegularFileError } from "./regular-file.ts";
import { DatabaseInUseError, DatabaseTooNewError, DatabaseUnusableError } from "./sqlite/errors.ts";
import { describePortTaken, welcome } from "./start-messages.ts";

/** How long the background checks of the providers may take. */
const providerCheckTimeoutMs = 20_000;

/**
 * Runs the server until a signal ends it: the first SIGTERM or SIGINT drains, a second one ends at once, and has
 * open calls told of it.
 * What keeps it from starting is told in words on stderr, with exit code 1.
 */
export async function serve(flags: Flags = {}): Promise<void> {
  const config = await orExit(() => readConfig(flags));
  const app = await orExit(() => buildApp(config));
  const { urls } = await listenOrExit(app, config);
  process.stdout.write(welcome(config, urls));

  const checks = new AbortController();
  const timeout = AbortSignal.timeout(providerCheckTimeoutMs);
  void app.checkProviders(AbortSignal.any([checks.signal, timeout]));
  let signals = 0;
  // One listener for all: between two, a signal would end the process as if nobody listened.
  const onSignal = (signal: NodeJS.Signals) => {
    signals += 1;
    if (signals > 2) process.exit(1);
    if (signals === 2) {
      void app.abandon().finally(() => process.exit(1));
      return;
    }
    process.stderr.write(`${signal}: finishing what runs; once more ends at once\n`);
    checks.abort();
    app.close().then(
      () => process.exit(signals === 1 ? 0 : 1),
      (error: unknown) => fail(error),
    );
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  process.on("SIGHUP", () => void app.reloadTls());
}

async function listenOrExit(app: App, config: Config) {
  try {
    return await app.listen();
  } catch (error) {
    await app.close();
    if (!(error instanceof ListenError) || error.code !== "EADDRINUSE") return fail(error);
    process.stderr.write(await describePortTaken(config));
    return process.exit(1);
  }
}

async function orExit<T>(start: () => T | Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    return fail(error);
  }
}

/** Ends the process: what the operator can mend is told in words, anything else with its stack. */
function fail(error: unknown): never {
  const text = isExpected(error) ? error.message : inspect(error);
  process.stderr.write(`chatwire cannot start: ${text}\n`);
  process.exit(1);
}

function isExpected(error: unknown): error is Error {
  const kinds = [
    ConfigError,
    DatabaseInUseError,
    DatabaseTooNewError,
    DatabaseUnusableError,
    ListenError,
    NoRegularFileError,
    TlsFileError,
  ];
  return kinds.some((kind) => error instanceof kind);
}
