import { accessSync, constants, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Config, ConfigError, loadConfig } from "../config.ts";
import type { Flags } from "./sources.ts";

/**
 * Reads the process's environment, `.env` in the working directory (it need not exist) and the flags into a
 * Config. Names in `.env` go into the environment too, where they are not set yet: proxy variables and
 * Google's credentials are read there by the libraries that use them.
 *
 * Throws ConfigError with every problem, an unreadable `.env` or certificate file included.
 */
export function readConfig(flags: Flags = {}): Config {
  const cwd = process.cwd();
  const path = join(cwd, ".env");
  const dotEnvText = readDotEnv(path);
  const env = { ...process.env };
  if (dotEnvText !== undefined) process.loadEnvFile(path);
  return loadConfig({ env, flags, cwd, fileProblem, ...(dotEnvText && { dotEnvText }) });
}

function readDotEnv(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new ConfigError([`${path} cannot be read (${code})`]);
  }
}

function fileProblem(path: string): string | undefined {
  try {
    accessSync(path, constants.R_OK);
    return undefined;
  } catch (error) {
    return `${path} cannot be read (${(error as NodeJS.ErrnoException).code})`;
  }
}
