import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { createApiKey, isKeyId } from "../auth/api-key.ts";
import { type Scope, scopes } from "../auth/authenticator.ts";
import { editKeyFile, readKeyFile } from "../auth/edit-key-file.ts";
import {
  type KeyEntry,
  KeyFileError,
  keyNameCharactersMax,
  keyPrincipalCharactersMax,
  keysMax,
  stateOfKey,
} from "../auth/key-list.ts";
import { nameProblem } from "../auth/names.ts";
import { parseEnvText } from "../config/sources.ts";
import { CliError, exitCode } from "./exit-code.ts";
import { parseExpiry } from "./expiry.ts";
import type { Io } from "./io.ts";
import { formatTable } from "./table.ts";

type FileOptions = { file?: string };
type ListOptions = FileOptions & { json?: boolean };
type CreateOptions = FileOptions & {
  name: string;
  principal?: string;
  scope?: Scope[];
  expires?: string;
  sessionsMax?: number;
  streamsMax?: number;
  turnsPerMinuteMax?: number;
  tokensPerDayMax?: number;
};

/** `chatwire keys`: makes, lists and revokes the keys of AUTH_KEYS_FILE. A server that runs follows the file. */
export function createKeysCommand(io: Io): Command {
  const command = new Command("keys").description(
    "Make, list and revoke the keys that callers show",
  );
  command.addCommand(createCommand(io));
  command.addCommand(listCommand(io));
  command.addCommand(revokeCommand(io));
  return command;
}

function createCommand(io: Io): Command {
  return withFile(new Command("create"))
    .description("Make a key and print it: this once, for the file has only its hash")
    .requiredOption("--name <text>", "what it is for, as lists show it", name(keyNameCharactersMax))
    .option(
      "--principal <id>",
      "whose sessions it opens; keys with the same one share them (default: the key's id)",
      name(keyPrincipalCharactersMax),
    )
    .addOption(
      new Option("--scope <name>", `what it allows: ${scopes.join(", ")}; may be repeated`)
        .default(undefined, "chat")
        .argParser(collectScope),
    )
    .option("--expires <when>", "a duration such as 90d or 12h, or a date such as 2027-01-31, UTC")
    .option("--sessions-max <n>", "in place of SESSIONS_PER_PRINCIPAL_MAX", limit)
    .option("--streams-max <n>", "in place of STREAMS_PER_PRINCIPAL_MAX", limit)
    .option("--turns-per-minute-max <n>", "in place of TURNS_PER_MINUTE_MAX", limit)
    .option("--tokens-per-day-max <n>", "in place of TOKENS_PER_DAY_MAX", limit)
    .action((options: CreateOptions) => createKey(io, options));
}

function listCommand(io: Io): Command {
  return withFile(new Command("list"))
    .description("List the keys, the newest last")
    .option("--json", "as JSON, for programs")
    .action((options: ListOptions) => listKeys(io, options));
}

function revokeCommand(io: Io): Command {
  return withFile(new Command("revoke"))
    .description("Let a key count no more: at once, open streams within a minute")
    .argument("<id>", "the key's id, as list shows it")
    .action((id: string, options: FileOptions) => revokeKey(io, id, options));
}

async function createKey(io: Io, options: CreateOptions): Promise<void> {
  const path = filePath(io, options);
  const now = Date.now();
  const { id, text, sha256 } = createApiKey();
  const limits = limitsOf(options);
  const entry: KeyEntry = {
    id,
    name: options.name,
    ...(options.principal !== undefined && { principal: options.principal }),
    sha256,
    scopes: options.scope ?? ["chat"],
    createdAt: new Date(now).toISOString(),
    ...(options.expires !== undefined && { expiresAt: parseExpiry(options.expires, now) }),
    ...(Object.keys(limits).length > 0 && { limits }),
  };
  await told(
    editKeyFile(path, (entries = []) => {
      if (entries.length >= keysMax) throw new CliError(`${path} has ${keysMax} keys already`);
      return [...entries, entry];
    }),
  );
  io.stdout.write(`${text}\n`);
  const until = entry.expiresAt === undefined ? "" : `, until ${entry.expiresAt}`;
  io.stderr.write(
    `key ${id} is in ${path}${until}; it is shown this once. Send it as authorization: Bearer <key>\n`,
  );
}

async function listKeys(io: Io, options: ListOptions): Promise<void> {
  const now = Date.now();
  const listed = (await told(readKeyFile(filePath(io, options)))).map((entry) => {
    const { sha256: _, ...shown } = entry;
    return { ...shown, principal: entry.principal ?? entry.id, state: stateOfKey(entry, now) };
  });
  if (options.json) {
    io.stdout.write(`${JSON.stringify(listed, undefined, 2)}\n`);
    return;
  }
  const rows = listed.map((key) => [
    key.id,
    key.name,
    key.principal,
    key.scopes.join(","),
    key.createdAt,
    key.expiresAt ?? "never",
    key.state,
  ]);
  const head = ["ID", "NAME", "PRINCIPAL", "SCOPES", "CREATED", "EXPIRES", "STATE"];
  io.stdout.write(formatTable([head, ...rows]));
}

async function revokeKey(io: Io, id: string, options: FileOptions): Promise<void> {
  // What is no id may be a key that somebody pasted: it is not repeated.
  if (!isKeyId(id)) throw new CliError("expected a key's id: 12 characters", exitCode.usage);
  const path = filePath(io, options);
  await told(
    editKeyFile(path, (entries) => {
      if (entries === undefined) throw new CliError(`${path} does not exist`);
      if (!entries.some((entry) => entry.id === id)) throw new CliError(`${path} has no key ${id}`);
      const revokedAt = new Date().toISOString();
      return entries.map((entry) =>
        entry.id === id && entry.revokedAt === undefined ? { ...entry, revokedAt } : entry,
      );
    }),
  );
  io.stderr.write(`key ${id} is revoked\n`);
}

function withFile(command: Command): Command {
  return command.option("--file <path>", "the file of keys (AUTH_KEYS_FILE)");
}

/** --file, else AUTH_KEYS_FILE of the environment, else of .env, as the server looks for it. */
function filePath({ env, cwd }: Io, { file }: FileOptions): string {
  const path = file ?? env.AUTH_KEYS_FILE ?? readDotEnv(cwd).AUTH_KEYS_FILE ?? "";
  if (path.trim() !== "") return resolve(cwd, path.trim());
  throw new CliError("which file? Name it with --file, or set AUTH_KEYS_FILE", exitCode.usage);
}

function readDotEnv(cwd: string): Record<string, string> {
  try {
    return parseEnvText(readFileSync(resolve(cwd, ".env"), "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return {};
    throw new CliError(`.env cannot be read (${code})`, exitCode.usage);
  }
}

/** Turns what is wrong with the file into words. */
async function told<Value>(work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof KeyFileError) throw new CliError(error.problems.join("\n"));
    throw error;
  }
}

function limitsOf(options: CreateOptions): NonNullable<KeyEntry["limits"]> {
  const { sessionsMax, streamsMax, turnsPerMinuteMax, tokensPerDayMax } = options;
  return {
    ...(sessionsMax !== undefined && { sessionsMax }),
    ...(streamsMax !== undefined && { streamsMax }),
    ...(turnsPerMinuteMax !== undefined && { turnsPerMinuteMax }),
    ...(tokensPerDayMax !== undefined && { tokensPerDayMax }),
  };
}

function name(charactersMax: number): (text: string) => string {
  return (text) => {
    const problem = nameProblem(text, charactersMax);
    if (problem !== undefined) throw new InvalidArgumentError(`It ${problem}.`);
    return text;
  };
}

function limit(text: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("Expected a whole number from 0.");
}

function collectScope(text: string, before: Scope[] | undefined): Scope[] {
  const scope = scopes.find((known) => known === text);
  if (scope === undefined) throw new InvalidArgumentError(`Expected one of ${scopes.join(", ")}.`);
  return [...new Set([...(before ?? []), scope])];
}
