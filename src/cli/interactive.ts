import type { Connection } from "./client.ts";
import { type CommandContext, chatCommands } from "./commands.ts";
import { type ConversationOptions, createConversation } from "./conversation.ts";
import { type ExitCode, exitCode } from "./exit-code.ts";
import { exitCodeOf } from "./exit-code-of.ts";
import { explain } from "./explain.ts";
import type { LineReader } from "./line-reader.ts";
import type { Screen } from "./screen.ts";
import { createSessions } from "./sessions.ts";
import { createTyping, createTypingSender } from "./typing.ts";

export type Start = {
  /** Empty: the first message begins a session. */
  sessionId: string;
  settings: ConversationOptions["settings"];
  json: boolean;
};

/** Talks with a person until they leave; returns the exit code. */
export async function runInteractive(
  connection: Connection,
  screen: Screen,
  reader: LineReader,
  { sessionId, settings, json }: Start,
): Promise<ExitCode> {
  const sender = createTypingSender(connection);
  const typing = createTyping(
    () => conversation.sessionId,
    sender.tell,
    (isTyping) => reader.hint(isTyping ? "somebody is typing" : ""),
  );
  const { interrupts } = reader;
  const conversation = createConversation(connection, screen, {
    settings,
    interrupts,
    json,
    typing,
  });
  const sessions = createSessions(connection, screen);
  reader.onKey(typing.key);
  try {
    if (sessionId !== "") await conversation.open(sessionId);
    return await talk({ connection, conversation, screen, reader, sessions, json }, reader);
  } catch (error) {
    await screen.note(explain(error, connection.url));
    return exitCodeOf(error);
  } finally {
    typing.close();
    await Promise.all([conversation.leave(), sender.close()]);
  }
}

async function talk(context: CommandContext, reader: LineReader): Promise<ExitCode> {
  const { conversation } = context;
  let draft = "";
  for (;;) {
    const line = await reader.next(draft);
    draft = "";
    if (line === undefined) return exitCode.ok;
    if (line.trim() === "") continue;
    if (/^\/(?!\/)/.test(line)) {
      const result = await obey(context, line);
      if (result && "leave" in result) return result.leave;
      draft = result?.draft ?? "";
      continue;
    }
    const { outcome } = await conversation.say(line.replace(/^\/\//, "/"));
    if (outcome === "left") return exitCode.cancelled;
  }
}

/** Does what a command says; what it throws is told. */
async function obey(context: CommandContext, line: string) {
  const [, name = "", argument = ""] = /^(\S+)\s*([\s\S]*?)\s*$/.exec(line) ?? [];
  const command = chatCommands.find((each) => each.name === name);
  if (command === undefined) {
    await context.screen.note(`there is no command ${name}; /help lists them`);
    return undefined;
  }
  if (argument !== "" && command.takes === "") {
    await context.screen.note(`${name} takes nothing; /help lists the commands`);
    return undefined;
  }
  try {
    return (await command.run(context, argument)) ?? undefined;
  } catch (error) {
    await context.screen.note(explain(error, context.connection.url));
    return undefined;
  }
}
