import { type Message, Message_Role as Role, type SessionSummary } from "../gen/chat/chat_pb.ts";
import type { Connection } from "./client.ts";
import { explain } from "./explain.ts";
import { oneLine } from "./sanitize.ts";
import type { Screen } from "./screen.ts";

const listedMax = 20;
const recalledMax = 6;

/** The commands about sessions. Failures are told on the screen. */
export type Sessions = {
  /** Lists the sessions that changed last, numbered; `current` is marked. */
  list(current: string): Promise<void>;
  /** Shows the end of the session of that id, or of that number in the last list; its id, or undefined. */
  open(idOrNumber: string): Promise<string | undefined>;
};

export function createSessions({ client, url }: Connection, screen: Screen): Sessions {
  let listed: readonly SessionSummary[] = [];

  async function fetchList(): Promise<boolean> {
    const answer = await client.listSessions({ pageSize: listedMax });
    listed = answer.sessions;
    return answer.nextPageToken !== "";
  }

  async function idOf(idOrNumber: string): Promise<string | undefined> {
    if (!/^\d{1,4}$/.test(idOrNumber)) return idOrNumber;
    if (listed.length === 0) await fetchList();
    return listed[Number(idOrNumber) - 1]?.sessionId;
  }

  /** Runs `command`; what it throws is told, and gives undefined. */
  async function told<Value>(command: () => Promise<Value>): Promise<Value | undefined> {
    try {
      return await command();
    } catch (error) {
      await screen.note(explain(error, url));
      return undefined;
    }
  }

  return {
    async list(current) {
      await told(async () => {
        const more = await fetchList();
        if (listed.length === 0) await screen.note("there are no sessions yet");
        for (const [index, session] of listed.entries()) {
          await screen.line(describeSession(index + 1, session, session.sessionId === current));
        }
        if (more) await screen.note("there are older ones; /open <id> opens any of them");
      });
    },
    open: (idOrNumber) =>
      told(async () => {
        const sessionId = await idOf(idOrNumber);
        if (sessionId === undefined) {
          await screen.note(`there is no number ${idOrNumber}; /sessions lists them`);
          return undefined;
        }
        const page = { pageSize: recalledMax, newestFirst: true };
        const { messages } = await client.session(sessionId).listMessages(page);
        for (const message of messages.reverse()) await recall(screen, message);
        await screen.note(`in session ${sessionId}`);
        return sessionId;
      }),
  };
}

function describeSession(number: number, session: SessionSummary, current: boolean): string {
  const { messageCount, model, sessionId, title, preview } = session;
  const name = oneLine(title || preview).slice(0, 60) || "(empty)";
  const mark = current ? "*" : "";
  const messages = `${messageCount} ${messageCount === 1 ? "message" : "messages"}`;
  return `${number}${mark} ${name} · ${messages} · ${model} · ${sessionId}`;
}

async function recall(screen: Screen, message: Message): Promise<void> {
  await screen.reply(message.role === Role.USER ? `> ${message.text}` : message.text);
  await screen.endLine();
}
