import type { CallerLimits } from "../chat/caller.ts";
import { isKeyId } from "./api-key.ts";
import { type Scope, scopes } from "./authenticator.ts";
import { nameProblem } from "./names.ts";
import { parseTimestamp } from "./timestamp.ts";

/** One key as AUTH_KEYS_FILE has it. Times are RFC 3339 with an offset. */
export type KeyEntry = {
  readonly id: string;
  /** What people call it; shown in lists alone. */
  readonly name: string;
  /** Whose sessions it opens; keys with the same one share them. Without it the id. */
  readonly principal?: string;
  /** SHA-256 of the whole key, 64 hexadecimal digits. */
  readonly sha256: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
  readonly limits?: CallerLimits;
};

/** The most keys that a file may have. */
export const keysMax = 10_000;
/** The largest file that is read, bytes: 10,000 entries of the longest kind fit. */
export const keyFileBytesMax = 16 * 1024 * 1024;
export const keyNameCharactersMax = 100;
export const keyPrincipalCharactersMax = 200;

/** Everything that is told of a broken file, so that the message stays readable. */
const problemsMax = 20;

/** A key file that cannot be used. `problems` names the entries; no value is repeated, ids excepted. */
export class KeyFileError extends Error {
  override readonly name = "KeyFileError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(problems.join("; "), options);
    this.problems = problems;
  }
}

/**
 * Reads the text of a key file: `{ "keys": [ … ] }`, each entry a KeyEntry. Throws KeyFileError, with up to 20
 * problems at once, for anything else: a field that nobody knows, too, since a mistyped `expiresAt` would make a
 * key that lives for ever.
 */
export function parseKeyList(text: string): KeyEntry[] {
  const file = parseJson(text);
  if (!isObject(file) || !Array.isArray(file.keys) || Object.keys(file).length > 1) {
    throw new KeyFileError(['expected { "keys": [ … ] } and nothing else']);
  }
  const entries: readonly unknown[] = file.keys;
  if (entries.length > keysMax) throw new KeyFileError([`keys: there are more than ${keysMax}`]);
  const problems: string[] = [];
  const ids = new Set<unknown>();
  for (const [index, entry] of entries.entries()) {
    if (problems.length >= problemsMax) break;
    const found = isObject(entry) ? entryProblems(entry) : ["must be an object"];
    const id = isObject(entry) && isId(entry.id) ? entry.id : undefined;
    if (id !== undefined && ids.has(id)) found.push("id: another entry has it, too");
    ids.add(id);
    const place = id === undefined ? `keys[${index}]` : `keys[${index}] (id ${id})`;
    problems.push(...found.map((problem) => `${place}: ${problem}`));
  }
  if (problems.length > 0) throw new KeyFileError(problems.slice(0, problemsMax));
  return entries as KeyEntry[];
}

/** The text of a key file, for people to read as well. */
export function formatKeyList(entries: readonly KeyEntry[]): string {
  return `${JSON.stringify({ keys: entries }, undefined, 2)}\n`;
}

/** The principal of the domain that a key speaks for. Never `anonymous`: it has a prefix. */
export function principalOfKey(entry: KeyEntry): string {
  return `key:${entry.principal ?? entry.id}`;
}

/** What has become of a key at `nowMs` (milliseconds since 1970 UTC). */
export function stateOfKey(entry: KeyEntry, nowMs: number): "active" | "expired" | "revoked" {
  if (entry.revokedAt !== undefined) return "revoked";
  const expiresMs = entry.expiresAt === undefined ? undefined : parseTimestamp(entry.expiresAt);
  return expiresMs !== undefined && expiresMs <= nowMs ? "expired" : "active";
}

type Check = (value: unknown) => string | undefined;

const required = {
  id: (value) => (isId(value) ? undefined : "must be 12 characters as `keys create` makes them"),
  name: (value) => nameProblem(value, keyNameCharactersMax),
  sha256: (value) =>
    typeof value === "string" && /^[0-9a-f]{64}$/.test(value)
      ? undefined
      : "must be 64 hexadecimal digits, small letters",
  scopes: (value) =>
    Array.isArray(value) &&
    value.length > 0 &&
    new Set(value).size === value.length &&
    value.every((scope) => scopes.includes(scope))
      ? undefined
      : `must be a list of ${scopes.join(", ")}: one or more, each once`,
  createdAt: timestampProblem,
} satisfies Record<string, Check>;

const optional = {
  principal: (value) => nameProblem(value, keyPrincipalCharactersMax),
  expiresAt: timestampProblem,
  revokedAt: timestampProblem,
  limits: limitsProblem,
} satisfies Record<string, Check>;

const limitNames = ["sessionsMax", "streamsMax", "turnsPerMinuteMax", "tokensPerDayMax"];

const checks = Object.entries<Check>({ ...required, ...optional });
const fields: ReadonlySet<string> = new Set(checks.map(([field]) => field));

function entryProblems(entry: Record<string, unknown>): string[] {
  const problems: string[] = [];
  for (const [field, check] of checks) {
    const value = Object.hasOwn(entry, field) ? entry[field] : undefined;
    if (value === undefined && Object.hasOwn(optional, field)) continue;
    const problem = value === undefined ? "is missing" : check(value);
    if (problem !== undefined) problems.push(`${field}: ${problem}`);
  }
  if (!Object.keys(entry).every((field) => fields.has(field))) {
    problems.push(`has a field that is none of ${[...fields].join(", ")}`);
  }
  return problems;
}

function timestampProblem(value: unknown): string | undefined {
  const ms = typeof value === "string" ? parseTimestamp(value) : undefined;
  return ms === undefined ? "must be a time such as 2027-01-31T12:00:00Z" : undefined;
}

function limitsProblem(value: unknown): string | undefined {
  const isRight =
    isObject(value) &&
    Object.entries(value).every(
      ([name, limit]) =>
        limitNames.includes(name) && Number.isSafeInteger(limit) && Number(limit) >= 0,
    );
  return isRight
    ? undefined
    : `must have whole numbers from 0 and no others than ${limitNames.join(", ")}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    // The parser's message would repeat a piece of the text.
    throw new KeyFileError(["this is not JSON"]);
  }
}

function isId(value: unknown): value is string {
  return typeof value === "string" && isKeyId(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
