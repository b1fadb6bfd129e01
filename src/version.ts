import { readFileSync } from "node:fs";

const { version: packageVersion } = JSON.parse(
  readFileSync(new URL("../package.json", import.meta.url), "utf8"),
) as { version: string };

/** The version in package.json. */
export const version = packageVersion;

/** Who we are on the wire (`framework` in the contract) and in logs. */
export const framework = `chatwire ${packageVersion}`;
