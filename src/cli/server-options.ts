import { type Command, Option } from "commander";
import { type Connection, connect, type Protocol, parseUrl, protocols } from "./client.ts";
import { isReadableOnTheWay, openCredential } from "./credential.ts";
import { CliError, exitCodeOf } from "./exit-code.ts";
import { explain } from "./explain.ts";
import type { Io } from "./io.ts";

/** Which server a client command talks to, how, and as whom. */
export type ServerOptions = { url: string; protocol: Protocol; keyFile?: string };

/** Gives a client command the options that say which server it talks to. */
export function withServer(command: Command, { env }: Pick<Io, "env">): Command {
  return command
    .addOption(
      new Option("--url <url>", "where the server is (env: CHATWIRE_URL)").default(
        env.CHATWIRE_URL || "http://localhost:50051",
      ),
    )
    .addOption(
      new Option("--protocol <name>", "how to talk to it").choices(protocols).default("grpc"),
    )
    .option(
      "--key-file <path>",
      "the file with the API key or token to show; without it CHATWIRE_API_KEY in the environment",
    );
}

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
