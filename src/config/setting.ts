import type { Parse } from "./parse.ts";

/** One thing that can be configured. The tables in settings/ are what parsing, `--help` and .env.example share. */
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
export type Settled<Value> = Setting<Value> & { readonly settled: true };
/** A setting that may be absent. */
export type Open<Value> = Setting<Value> & { readonly settled: false };

/** A setting that has `standard` where nobody sets it. */
export function withDefault<Value>(
  group: string,
  standard: string,
  placeholder: string,
  parse: Parse<Value>,
  help: string,
): Settled<Value> {
  return { parse, default: standard, placeholder, help, secret: false, group, settled: true };
}

/** A setting that is absent where nobody sets it. */
export function optional<Value>(
  group: string,
  placeholder: string,
  parse: Parse<Value>,
  help: string,
  secret = false,
): Open<Value> {
  return { parse, default: "", placeholder, help, secret, group, settled: false };
}

/** A group of settings, by their names in the environment. */
export type Settings = Record<string, Settled<unknown> | Open<unknown>>;
