import { Argument, Command, Option } from "commander";
import { checkServer } from "./check-server.ts";
import { type Connection, connect, type Protocol, parseUrl, protocols } from "./client.ts";
import { CliError, type ExitCode, exitCode } from "./exit-code.ts";
import { runInteractive } from "./interactive.ts";
import { signalInterrupts } from "./interrupts.ts";
import { createLineReader } from "./line-reader.ts";
import { readPipedText } from "./piped-text.ts";
import { createScreen, type Screen } from "./screen.ts";
import { runTurn } from "./turn.ts";

type ChatOptions = { url: string; protocol: Protocol; model: string; session: string };

/** `chatwire chat`: a conversation in the terminal, or one question and its reply. */
export function createChatCommand(): Command {
  return new Command("chat")
    .description("Talk with the model in the terminal, or ask one question")
    .addArgument(
      new Argument(
        "[question...]",
        "ask this and leave; text from a pipe is asked, or added to it",
      ),
    )
    .addOption(
      new Option("--url <url>", "where the server is")
        .env("CHATWIRE_URL")
        .default("http://localhost:50051"),
    )
    .addOption(
      new Option("--protocol <name>", "how to talk to it").choices(protocols).default("grpc"),
    )
    .option(
      "--model <id>",
      "the model to ask; without it the session's, or the server's default",
      "",
    )
    .option("--session <id>", "the session to go on with; without it a new one", "")
    .action(async (words: string[], options: ChatOptions) => {
      process.exitCode = await chat(words.join(" "), options);
    });
}

async function chat(asked: string, options: ChatOptions): Promise<ExitCode> {
  const connection = connect(parseUrl(options.url), options.protocol);
  const screen = createScreen(process.stdout, process.stderr);
  const start = { sessionId: options.session, modelId: options.model };
  try {
    const health = await checkServer(connection);
    if (!health.healthy) await screen.note(`the server is not well: ${health.message}`);
    const message = await questionOf(asked, screen);
    if (message !== undefined) return await askOnce(connection, screen, { ...start, message });
    await screen.note(
      `${connection.url} answers as ${options.model || health.model}; /help lists commands`,
    );
    // Into a pipe go the replies; the prompt stays where the person is.
    const reader = createLineReader(
      process.stdin,
      screen.terminal ? process.stdout : process.stderr,
    );
    try {
      return await runInteractive(connection, screen, reader, start);
    } finally {
      reader.close();
    }
  } finally {
    await connection.close();
  }
}

/** The one question there is to ask: from the arguments, a pipe, or both. Undefined: a person will type. */
async function questionOf(asked: string, screen: Screen): Promise<string | undefined> {
  if (process.stdin.isTTY) return asked === "" ? undefined : asked;
  const piped = await readPipedText(process.stdin, (text) => void screen.note(text));
  const question = [asked, piped].filter((text) => text.trim() !== "").join("\n\n");
  if (question !== "") return question;
  throw new CliError("there is no question: standard input was empty", exitCode.usage);
}

async function askOnce(
  connection: Connection,
  screen: Screen,
  question: { message: string; sessionId: string; modelId: string },
): Promise<ExitCode> {
  const { outcome, sessionId } = await runTurn(connection, screen, signalInterrupts, question);
  if (process.stderr.isTTY && sessionId !== "" && outcome !== "left") {
    await screen.note(`to go on: chatwire chat --session ${sessionId}`);
  }
  if (screen.gone.aborted) {
    const { code, message } = screen.gone.reason as NodeJS.ErrnoException;
    if (code === "EPIPE") return exitCode.ok;
    throw new CliError(`the reply cannot be written: ${message}`);
  }
  if (outcome === "complete") return exitCode.ok;
  return outcome === "failed" ? exitCode.failed : exitCode.cancelled;
}
