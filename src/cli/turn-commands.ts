import type { TurnFields } from "../client/turn.ts";
import {
  type Message,
  ChatRequest_Type as RequestType,
  Message_Role as Role,
} from "../gen/chat/chat_pb.ts";
import type { ChatCommand, CommandContext, CommandResult } from "./commands.ts";
import { exitCode } from "./exit-code.ts";
import { currentOf } from "./session-commands.ts";

/** The commands that ask again. */
export const turnCommands: readonly ChatCommand[] = [
  {
    name: "/edit",
    takes: "[text]",
    help: "put another message in the place of your last one; without the text, edit it",
    async run(context, text) {
      const last = await lastQuestion(context);
      if (last === undefined) return undefined;
      if (text === "") return { draft: `/edit ${last.text}` };
      return ask(context, text, { type: RequestType.EDIT, messageId: last.messageId });
    },
  },
  {
    name: "/retry",
    takes: "",
    help: "have the last message answered again",
    run: (context) => ask(context, "", { type: RequestType.REGENERATE }),
  },
  {
    name: "/continue",
    takes: "",
    help: "have the last reply go on where it was stopped",
    run: (context) => ask(context, "", { type: RequestType.CONTINUE }),
  },
];

async function ask(
  context: CommandContext,
  message: string,
  fields: TurnFields,
): Promise<CommandResult> {
  if ((await currentOf(context)) === undefined) return undefined;
  const { outcome } = await context.conversation.say(message, fields);
  return outcome === "left" ? { leave: exitCode.cancelled } : undefined;
}

/** The last message of the user that is not waiting; undefined, which is told, where there is none. */
async function lastQuestion(context: CommandContext): Promise<Message | undefined> {
  const sessionId = await currentOf(context);
  if (sessionId === undefined) return undefined;
  const session = context.connection.client.session(sessionId);
  const { messages } = await session.listMessages({ newestFirst: true });
  const last = messages.find(({ role }) => role === Role.USER);
  if (last === undefined) await context.screen.note("there is no message to edit");
  return last;
}
