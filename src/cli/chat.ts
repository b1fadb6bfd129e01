import { Argument, Command } from "commander";
import type { Io } from "./io.ts";
import { type ServerOptions, withServer } from "./server-options.ts";

/** The options of `chatwire chat`. */
export type ChatOptions = ServerOptions & {
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
      const { runChat } = await import("./run-chat.ts");
      io.exit(await runChat(io, words.join(" "), options));
    });
}
