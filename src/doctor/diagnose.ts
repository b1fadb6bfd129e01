import { createProviders } from "../app.ts";
import { systemClock } from "../chat/clock.ts";
import { readConfig } from "../config/read.ts";
import type { Flags } from "../config/sources.ts";
import { type Config, ConfigError, describeDefaultModel } from "../config.ts";
import { checkAuthentication } from "./check-authentication.ts";
import { checkCertificates } from "./check-certificates.ts";
import { checkCollector } from "./check-collector.ts";
import { checkDatabase, unknownHolder } from "./check-database.ts";
import { checkClock, checkMachine } from "./check-machine.ts";
import { checkPort } from "./check-port.ts";
import { checkProviders } from "./check-providers.ts";
import { type Finding, reportOf } from "./finding.ts";

/**
 * Looks at everything that the server needs, as `serve` would find it with these flags, and changes nothing. Where
 * the configuration itself is wrong, what does not depend on the wrong part is looked at all the same.
 */
export async function diagnose(flags: Flags): Promise<Finding[]> {
  const { failed } = reportOf("configuration");
  const now = systemClock.now();
  try {
    const config = readConfig(flags);
    return [...describeConfig(config), ...(await checkAll(config, [], now))];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { problems, rest } = error;
    const found = problems.map((problem) =>
      failed(problem, "chatwire serve --help explains each setting"),
    );
    return [...found, ...(rest ? await checkAll(rest, problems, now) : [checkClock(now)])];
  }
}

/** What each check goes by, as the problems of the configuration begin. */
const dependsOn = {
  database: /^DATABASE_URL\b/,
  port: /^PORT\b/,
  model: /^(?:GEMINI|GOOGLE)_/,
  certificate: /^(?:HOST\b|TLS_)/,
  authentication: /^(?:HOST\b|AUTH_|TLS_CLIENT_CA_FILE\b)/,
  machine: /^(?:CONNECTIONS_MAX|EVENT_RETENTION_BYTES)\b/,
} as const;

async function checkAll(
  config: Config,
  problems: readonly string[],
  now: number,
): Promise<Finding[]> {
  const isSound = (check: keyof typeof dependsOn) =>
    !problems.some((problem) => dependsOn[check].test(problem));
  const { holder, findings } = isSound("database")
    ? await checkDatabase(config.database, now)
    : { holder: unknownHolder, findings: [] };
  const found = await Promise.all([
    isSound("port") && guarded("port", async () => [await checkPort(config, holder)]),
    isSound("model") &&
      guarded("model", async () =>
        checkProviders(await createProviders(config, { warn: () => undefined })),
      ),
    // What is configured can be looked at; "none" cannot be said where it is not known.
    (config.tls || isSound("certificate")) &&
      guarded("certificate", async () => checkCertificates(config, now)),
    (config.auth || isSound("authentication")) &&
      guarded("authentication", () => checkAuthentication(config, now)),
    guarded("traces", () => checkCollector(config)),
    isSound("machine")
      ? guarded("machine", async () => checkMachine(config, now))
      : [checkClock(now)],
  ]);
  return [...findings, ...found.flatMap((each) => each || [])];
}

function describeConfig(config: Config): Finding[] {
  const { ok, warning } = reportOf("configuration");
  const warnings = config.warnings.map((text) => warning(text, "see .env.example"));
  return [ok(`the default model is ${describeDefaultModel(config)}`), ...warnings];
}

/** A check that breaks is a finding of its own: the others are told all the same. */
async function guarded(check: string, look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look();
  } catch (error) {
    const { message } = error as Error;
    return [reportOf(check).failed(`it could not be looked at: ${message}`, "this is unexpected")];
  }
}
