import { type Command, Option } from "commander";
import type { Io } from "./io.ts";
import { type Protocol, protocols } from "./protocol.ts";

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
