import { Command, InvalidArgumentError } from "commander";
import type { Io } from "./io.ts";
import { type ServerOptions, withServer } from "./server-options.ts";

/** The options of `chatwire watch`. */
export type WatchOptions = ServerOptions & {
  replay?: boolean;
  after?: bigint;
  untilIdle?: boolean;
  cadence?: boolean;
  json?: boolean;
};

const examples = `
Examples:
  chatwire watch 596a7e11                      what happens from now on, until Ctrl-C
  chatwire watch 596a7e11 --replay             all that happened, then the end
  chatwire watch 596a7e11 --replay --cadence   the same, as fast as the model wrote it
  chatwire watch 596a7e11 --until-idle --json | jq -r 'select(.type == "CHUNK").chunkText'
  chatwire watch 596a7e11 --after 57 --json    the events behind sequence 57`;

/** `chatwire watch`: shows a session as it goes on, or as it went. */
export function createWatchCommand(io: Io): Command {
  return withServer(new Command("watch"), io)
    .description("Show what happens in a session, whoever speaks in it")
    .argument("<session>", "its id; chatwire sessions lists them")
    .option("--replay", "begin with its first event, and end when nothing runs any more")
    .option("--after <sequence>", "begin behind this event", sequence)
    .option("--until-idle", "end when nothing runs and nothing waits")
    .option("--cadence", "show each piece as long after the one before as the model took")
    .option("--json", "print events as NDJSON, one object a line")
    .addHelpText("after", examples)
    .action(async (sessionId: string, options: WatchOptions) => {
      const { runWatch } = await import("./run-watch.ts");
      io.exit(await runWatch(io, sessionId, options));
    });
}

function sequence(text: string): bigint {
  if (/^\d{1,19}$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError("Expected a sequence: a whole number from 0.");
}
