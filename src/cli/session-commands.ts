import type { ChatCommand, CommandContext } from "./commands.ts";
import { describeSession } from "./describe.ts";
import { watchSession } from "./watch-session.ts";

/** The commands that choose sessions, show and change them. */
export const sessionCommands: readonly ChatCommand[] = [
  {
    name: "/new",
    takes: "",
    help: "begin another session with the next message",
    async run({ conversation, screen }) {
      await conversation.leave();
      await screen.note("the next message begins a session");
    },
  },
  {
    name: "/sessions",
    takes: "[words]",
    help: "list the sessions that changed last, or those that have the words",
    run: ({ sessions, conversation }, words) => sessions.list(conversation.sessionId, words),
  },
  {
    name: "/open",
    takes: "<id or number>",
    help: "go on with a session",
    completes: "session",
    async run(context, argument) {
      if (argument === "")
        return context.screen.note("/open needs the id or the number of a session");
      const sessionId = await context.sessions.idOf(argument);
      if (sessionId !== undefined) await context.conversation.open(sessionId);
    },
  },
  {
    name: "/info",
    takes: "",
    help: "show this session's settings, counts and tokens",
    async run(context) {
      const { client } = context.connection;
      const sessionId = await currentOf(context);
      if (sessionId === undefined) return;
      await context.screen.table(describeSession(await client.session(sessionId).getInfo()));
    },
  },
  {
    name: "/watch",
    takes: "[id or number]",
    help: "show a session from its beginning and as it goes on, until Ctrl-C",
    completes: "session",
    async run(context, argument) {
      const { connection, conversation, screen, reader, sessions, json } = context;
      const sessionId = await (argument === "" ? currentOf(context) : sessions.idOf(argument));
      if (sessionId === undefined) return;
      await screen.note(`watching session ${sessionId}; Ctrl-C ends that`);
      const isCurrent = sessionId === conversation.sessionId;
      await conversation.pause(async () => {
        const wish = { sessionId, json, from: 0n };
        const { cursor } = await watchSession(connection, screen, reader.interrupts, wish);
        return isCurrent ? cursor : undefined;
      });
    },
  },
  {
    name: "/fork",
    takes: "[title]",
    help: "copy this session and go on in the copy",
    async run(context, title) {
      const sessionId = await currentOf(context);
      if (sessionId === undefined) return;
      const fork = await context.connection.client.session(sessionId).fork({ title });
      await context.conversation.open(fork.sessionId);
    },
  },
  {
    name: "/delete",
    takes: "[id or number]",
    help: "remove a session, this one without an id, with everything in it",
    completes: "session",
    run: deleteSession,
  },
  {
    name: "/model",
    takes: "[id]",
    help: "choose the model of this session and of new ones, or show it",
    completes: "model",
    async run({ connection, conversation, screen }, modelId) {
      const { sessionId, settings } = conversation;
      if (modelId !== "") {
        await conversation.change({ modelId });
        return screen.note(`the next reply is ${modelId}'s`);
      }
      const session = connection.client.session(sessionId);
      const model = sessionId === "" ? settings.modelId : (await session.getInfo()).model;
      return screen.line(model || "the server's default model; /models lists all");
    },
  },
  {
    name: "/system",
    takes: "[text or -]",
    help: "tell the model how to answer, in this session and in new ones; - for nothing",
    async run({ connection, conversation, screen }, text) {
      const { sessionId, settings } = conversation;
      if (text !== "") {
        await conversation.change({ systemInstruction: text === "-" ? "" : text });
        return screen.note(text === "-" ? "the model is told nothing" : "the model is told so");
      }
      const session = connection.client.session(sessionId);
      const told =
        sessionId === "" ? settings.systemInstruction : (await session.getInfo()).systemInstruction;
      return screen.line(told || "nothing");
    },
  },
];

async function deleteSession(context: CommandContext, argument: string): Promise<void> {
  const { connection, conversation, screen, reader, sessions } = context;
  const sessionId = await (argument === "" ? currentOf(context) : sessions.idOf(argument));
  if (sessionId === undefined) return;
  const session = connection.client.session(sessionId);
  const { title, messageCount } = await session.getInfo();
  const what = `${title === "" ? sessionId : `"${title}"`}, ${messageCount} messages`;
  await screen.note(`there is no way back for ${what}`);
  const answer = await reader.ask("delete it? (yes or no) ");
  if (answer?.trim() !== "yes") return screen.note("it is kept");
  if (sessionId === conversation.sessionId) await conversation.leave();
  await session.delete();
  await screen.note("it is deleted");
}

/** The session that the conversation is in; undefined, which is told, before the first message. */
export async function currentOf({
  conversation,
  screen,
}: CommandContext): Promise<string | undefined> {
  if (conversation.sessionId !== "") return conversation.sessionId;
  await screen.note("there is no session yet; the first message begins one");
  return undefined;
}
