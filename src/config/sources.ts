import { parseEnv } from "node:util";
import { flagKeyOf, flagOf, type SettingName, settingNames, settings } from "./settings.ts";

/** Flags as a command line gives them: text, or true for a switch without a value. */
export type Flags = Readonly<Record<string, string | boolean | undefined>>;

/** The text of a setting, and where it stands. */
export type Found = { readonly text: string; readonly source: string };

type Layers = {
  env: Readonly<Record<string, string | undefined>>;
  dotEnv: Readonly<Record<string, string>>;
  flags: Flags;
};

/** Finds what is given for each setting: a flag, else the environment, else .env. Empty text is no value. */
export function findValues(layers: Layers): { found: Map<SettingName, Found>; problems: string[] } {
  const found = new Map<SettingName, Found>();
  for (const name of settingNames) {
    const value = findValue(name, layers);
    if (value !== undefined && value.text !== "") found.set(name, value);
  }
  const keys = new Set(settingNames.map(flagKeyOf));
  const problems = Object.keys(layers.flags)
    .filter((key) => !keys.has(key))
    .map((key) => `there is no flag for "${key}"`);
  return { found, problems };
}

function findValue(name: SettingName, { env, dotEnv, flags }: Layers): Found | undefined {
  const key = flagKeyOf(name);
  const flag = key === undefined ? undefined : flags[key];
  if (flag !== undefined) return { text: String(flag).trim(), source: `--${flagOf(name)}` };
  if (env[name] !== undefined) return { text: env[name].trim(), source: "the environment" };
  const text = dotEnv[name];
  return text === undefined ? undefined : { text: text.trim(), source: ".env" };
}

/** Names a setting in a message, with its value unless that is a secret: `PORT="x" (from .env)`. */
export function show(name: SettingName, found: Found | undefined): string {
  if (found === undefined) return name;
  if (settings[name].secret) return `${name} (from ${found.source}, not shown)`;
  // What stands before an @ in a URL may be a password.
  const text = found.text.replace(/:\/\/.*@/s, "://***@");
  const short = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return `${name}=${JSON.stringify(short)} (from ${found.source})`;
}

/** Parses the content of `.env` as Node does. Notepad's byte order mark is no part of the first name. */
export function parseEnvText(text: string): Record<string, string> {
  return parseEnv(text.replace(/^\uFEFF/, "")) as Record<string, string>;
}
