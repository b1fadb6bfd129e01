import { type Connection, connect, parseUrl } from "./client.ts";
import { isReadableOnTheWay, openCredential } from "./credential.ts";
import { CliError } from "./exit-code.ts";
import { exitCodeOf } from "./exit-code-of.ts";
import { explain } from "./explain.ts";
import type { Io } from "./io.ts";
import type { ServerOptions } from "./server-options.ts";

/**
 * Runs `work` with a connection that is closed behind it. A failed call becomes a CliError in words, with the
 * exit code that is its.
 */
export async function withConnection<Value>(
  { url, protocol, keyFile }: ServerOptions,
  io: Io,
  work: (connection: Connection) => Promise<Value>,
): Promise<Value> {
  const getToken = await openCredential(keyFile, io.env as NodeJS.ProcessEnv);
  const connection = connect(parseUrl(url), protocol, { getToken });
  if (getToken && isReadableOnTheWay(connection.url)) {
    const where = connection.url;
    io.stderr.write(`the key goes to ${where} for all to read; https:// would hide it\n`);
  }
  try {
    return await work(connection);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(explain(error, connection.url), exitCodeOf(error));
  } finally {
    await connection.close();
  }
}
