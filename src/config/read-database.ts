import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "../config.ts";
import type { Database } from "./parse.ts";
import { settings } from "./settings.ts";
import { type Flags, findValues, parseEnvText, show } from "./sources.ts";

/**
 * The database that `serve` would use, and nothing else of the configuration: a backup is wanted most when
 * something is wrong. Throws ConfigError.
 */
export function readDatabase(flags: Flags = {}): Database {
  const cwd = process.cwd();
  const layers = { env: process.env, flags, dotEnv: parseEnvText(readDotEnv(join(cwd, ".env"))) };
  const given = findValues(layers).found.get("DATABASE_URL");
  const { parse, default: standard } = settings.DATABASE_URL;
  try {
    return parse(given?.text ?? standard, cwd);
  } catch (error) {
    throw new ConfigError([`${show("DATABASE_URL", given)}: ${(error as Error).message}`]);
  }
}

function readDotEnv(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return "";
    throw new ConfigError([`${path} cannot be read (${code})`]);
  }
}
