import type { Connection } from "./client.ts";
import type { Conversation } from "./conversation.ts";
import type { ExitCode } from "./exit-code.ts";
import type { LineReader } from "./line-reader.ts";
import type { Screen } from "./screen.ts";
import { serverCommands } from "./server-commands.ts";
import { sessionCommands } from "./session-commands.ts";
import type { Sessions } from "./sessions.ts";
import { turnCommands } from "./turn-commands.ts";

/** What commands act on. */
export type CommandContext = {
  connection: Connection;
  conversation: Conversation;
  screen: Screen;
  reader: Pick<LineReader, "ask" | "interrupts">;
  sessions: Sessions;
  json: boolean;
};

/** What comes of a command, mostly nothing: `draft` is to be edited by the person, `leave` ends the conversation. */
export type CommandResult = undefined | { draft: string } | { leave: ExitCode };

/** A command of the conversation, /name. */
export type ChatCommand = {
  readonly name: string;
  /** What it takes, for people; empty for nothing. */
  readonly takes: string;
  readonly help: string;
  /** What its argument can be completed from. */
  readonly completes?: "session" | "model";
  /** Throws what the client library throws. */
  run(context: CommandContext, argument: string): Promise<CommandResult> | Promise<void>;
};

const help: ChatCommand = {
  name: "/help",
  takes: "",
  help: "show this",
  async run({ screen }) {
    await screen.table(
      chatCommands.map(({ name, takes, help: text }) => [`${name} ${takes}`.trimEnd(), text]),
    );
    for (const text of keysHelp) await screen.note(text);
  },
};

const quit: ChatCommand = {
  name: "/quit",
  takes: "",
  help: "leave (so do Ctrl-D, and Ctrl-C at an empty line)",
  run: async () => ({ leave: 0 }),
};

/** The commands, in the order in which /help shows them. */
export const chatCommands: readonly ChatCommand[] = [
  ...sessionCommands,
  ...turnCommands,
  ...serverCommands,
  help,
  quit,
];

const keysHelp = [
  "Ctrl-C while a reply streams cancels it. Tab completes commands, models and sessions; arrows go through",
  "what you typed before. A pasted text is one message, and Alt-Enter breaks a line: \u2424 stands for the break.",
  "A message that begins with / is written with two: //like this.",
];
