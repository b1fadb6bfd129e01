import { Argument, Command } from "commander";
import { askOnce, questionOf } from "./ask.ts";
import { checkServer } from "./check-server.ts";
import type { Connection } from "./client.ts";
import { chatCommands } from "./commands.ts";
import { createCompleter } from "./complete.ts";
import type { ExitCode } from "./exit-code.ts";
import { createHistory, historyPath } from "./history.ts";
import { runInteractive, type Start } from "./interactive.ts";
import type { Io } from "./io.ts";
import { createLineReader } from "./line-reader.ts";
import { createScreen } from "./screen.ts";
import { type ServerOptions, withConnection, withServer } from "./server-options.ts";

type ChatOptions = ServerOptions & {
  model?: string;
  system?: string;
  session?: string;
  json?: boolean;
};

const examples = `
Examples:
  chatwire chat                                      a conversation; /help there lists its commands
  chatwire chat 'Who are you?'                       one question
  git log -5 | chatwire chat 'What do you make of this?'
  chatwire chat --session 596a7e11 'And then?'       go on with a session
  chatwire chat --json Hi | jq -r 'select(.type == "CHUNK").chunkText'

Ends with 0 when the reply is there, 1 when it failed, 2 when the command line is wrong, 3 when no server answers,
4 when there is no such session, 5 when the key is missing or refused, 130 when Ctrl-C stopped it.`;

/** `chatwire chat`: a conversation in the terminal, or one question and its reply. */
export function createChatCommand(io: Io): Command {
  const command = new Command("chat")
    .description("Talk with the model in the terminal, or ask one question")
    .addArgument(
      new Argument(
        "[question...]",
        "ask this and leave; text from a pipe is asked, or added to it",
      ),
    );
  return withServer(command, io)
    .option("--model <id>", "the model to ask; without it the session's, or the server's default")
    .option("--system <text>", "what the model is told before a new session")
    .option("--session <id>", "the session to go on with; without it a new one")
    .option("--json", "print events as NDJSON, one object a line")
    .addHelpText("after", examples)
    .action(async (words: string[], options: ChatOptions) => {
      io.exit(await withConnection(options, io, (to) => chat(to, io, words.join(" "), options)));
    });
}

async function chat(
  connection: Connection,
  io: Io,
  asked: string,
  { session: sessionId = "", model: modelId = "", system = "", json = false }: ChatOptions,
): Promise<ExitCode> {
  const screen = createScreen(io.stdout, io.stderr, { env: io.env, json });
  const health = await checkServer(connection);
  if (!health.healthy) await screen.note(`the server is not well: ${health.message}`);
  const message = await questionOf(asked, io, screen);
  if (message !== undefined) {
    const fields = system === "" ? {} : { systemInstruction: system };
    const question = { message, sessionId, modelId, fields, json };
    return await askOnce(connection, io, screen, question);
  }
  await screen.note(
    `${connection.url} answers as ${modelId || health.model}; /help lists commands`,
  );
  const settings = { modelId, systemInstruction: system };
  return await converse(connection, io, { sessionId, settings, json });
}

async function converse(connection: Connection, io: Io, start: Start): Promise<ExitCode> {
  // Into a pipe go the replies; the prompt stays where the person is.
  const terminal = io.stdout.isTTY === true && !start.json ? io.stdout : io.stderr;
  const reader = await createLineReader(io.stdin, terminal, {
    history: createHistory(historyPath(io.env)),
    complete: createCompleter(connection.client, chatCommands),
    interrupts: io.interrupts,
  });
  const { env } = io;
  const [stdout, stderr] = [reader.above(io.stdout), reader.above(io.stderr)];
  const screen = createScreen(stdout, stderr, { env, json: start.json });
  try {
    return await runInteractive(connection, screen, reader, start);
  } finally {
    await reader.close();
  }
}
