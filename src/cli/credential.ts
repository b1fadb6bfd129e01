import { open } from "node:fs/promises";
import type { ChatClientOptions } from "../client/options.ts";
import { CliError, exitCode } from "./exit-code.ts";

/** Gives the key or token to show; asked on each attempt. */
export type GetToken = NonNullable<ChatClientOptions["getToken"]>;

/** Servers look at no longer ones. */
const bytesMax = 8 * 1024;

/** What may follow `Bearer` (RFC 6750 section 2.1). */
const bearerPattern = /^[\w.~+/-]+=*$/;

/**
 * The key or token in the file, else in the environment as CHATWIRE_API_KEY; undefined where there is neither. Never
 * an argument: those are everybody's to see on the machine. A file is read again on each attempt, so that a token
 * that is renewed in it counts; a pipe (`--key-file <(pass chatwire)`) gives it once. Throws CliError (usage), without
 * a word of it, for what can be none.
 */
export async function openCredential(
  keyFile: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<GetToken | undefined> {
  if (keyFile !== undefined) {
    const first = await readKeyFile(keyFile);
    return first.isFile ? async () => (await readKeyFile(keyFile)).token : () => first.token;
  }
  const { CHATWIRE_API_KEY: text = "" } = environment;
  if (text.trim() === "") return undefined;
  const token = checkToken(text, "CHATWIRE_API_KEY");
  return () => token;
}

async function readKeyFile(path: string): Promise<{ token: string; isFile: boolean }> {
  try {
    await using file = await open(path, "r");
    const stat = await file.stat();
    const text = stat.size > bytesMax ? "" : await file.readFile("utf8");
    return { token: checkToken(text, path), isFile: stat.isFile() };
  } catch (error) {
    if (error instanceof CliError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError(`${path} cannot be read (${code})`, exitCode.usage);
  }
}

function checkToken(text: string, where: string): string {
  const token = text.trim();
  if (token.length <= bytesMax && bearerPattern.test(token)) return token;
  throw new CliError(`${where} holds no key and no token: one line is expected`, exitCode.usage);
}

/** Whether a credential that is sent to this URL could be read on its way. */
export function isReadableOnTheWay(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  const isLocal = /^(?:localhost|.*\.localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname);
  return protocol === "http:" && !isLocal;
}
