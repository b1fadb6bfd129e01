import { createProviders } from "../app.ts";
import { systemClock } from "../chat/clock.ts";
import { readConfig } from "../config/read.ts";
import { readDatabase } from "../config/read-database.ts";
import type { Flags } from "../config/sources.ts";
import { type Config, ConfigError, describeDefaultModel } from "../config.ts";
import { checkAuthentication } from "./check-authentication.ts";
import { checkCertificates } from "./check-certificates.ts";
import { checkDatabase } from "./check-database.ts";
import { checkClock, checkMachine } from "./check-machine.ts";
import { checkPort } from "./check-port.ts";
import { checkProviders } from "./check-providers.ts";
import { type Finding, reportOf } from "./finding.ts";

/**
 * Looks at everything that the server needs, as `serve` would find it with these flags, and changes nothing. Where
 * the configuration itself is wrong, what does not depend on the rest of it is looked at all the same.
 */
export async function diagnose(flags: Flags): Promise<Finding[]> {
  const { failed } = reportOf("configuration");
  const now = systemClock.now();
  let config: Config;
  try {
    config = readConfig(flags);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const problems = error.problems.map((problem) =>
      failed(problem, "chatwire serve --help explains each setting"),
    );
    return [...problems, ...(await checkWithoutConfig(flags, now))];
  }
  const { holderUrl, findings } = await checkDatabase(config.database, now);
  const found = await Promise.all([
    guarded("port", async () => [await checkPort(config, holderUrl)]),
    guarded("model", () => checkProviders(createProviders(config, { warn: () => undefined }))),
    guarded("certificate", async () => checkCertificates(config, now)),
    guarded("authentication", () => checkAuthentication(config, now)),
    guarded("machine", async () => checkMachine(config, now)),
  ]);
  return [...describeConfig(config), ...findings, ...found.flat()];
}

async function checkWithoutConfig(flags: Flags, now: number): Promise<Finding[]> {
  const { databaseUrl } = flags;
  try {
    const { findings } = await checkDatabase(readDatabase({ databaseUrl }), now);
    return [...findings, checkClock(now)];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [checkClock(now)];
  }
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
