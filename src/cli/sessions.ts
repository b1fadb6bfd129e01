import type { SessionSummary } from "../gen/chat/chat_pb.ts";
import type { Connection } from "./client.ts";
import { oneLine } from "./sanitize.ts";
import type { Screen } from "./screen.ts";

const listedMax = 20;

/** The sessions as a person names them: by id, or by the number in the last list. */
export type Sessions = {
  /** Lists the sessions that changed last, numbered; `current` is marked. With a query, those that have its words. */
  list(current: string, query: string): Promise<void>;
  /** The id of a session; undefined, which has been told, where the list has no such number. */
  idOf(idOrNumber: string): Promise<string | undefined>;
};

/** Makes the list; nothing is asked before it is used. Its calls throw what the client library throws. */
export function createSessions({ client }: Connection, screen: Screen): Sessions {
  let listed: readonly SessionSummary[] = [];

  async function fetchList(query: string): Promise<boolean> {
    const answer = await client.listSessions({ pageSize: listedMax, query });
    listed = answer.sessions;
    return answer.nextPageToken !== "";
  }

  return {
    async list(current, query) {
      const more = await fetchList(query);
      if (listed.length === 0) {
        await screen.note(
          query === "" ? "there are no sessions yet" : "no session has these words",
        );
      }
      for (const [index, session] of listed.entries()) {
        await screen.line(describeSession(index + 1, session, session.sessionId === current));
      }
      if (more) await screen.note("there are older ones; /sessions <words> finds them");
    },
    async idOf(idOrNumber) {
      if (!/^\d{1,4}$/.test(idOrNumber)) return idOrNumber;
      if (listed.length === 0) await fetchList("");
      const session = listed[Number(idOrNumber) - 1];
      if (session === undefined) {
        await screen.note(`there is no number ${idOrNumber}; /sessions lists them`);
      }
      return session?.sessionId;
    },
  };
}

/** What a person knows a session by: its title, or else how its last message begins. */
export function nameOf({ title, preview }: Pick<SessionSummary, "title" | "preview">): string {
  return oneLine(title || preview).slice(0, 60) || "(empty)";
}

function describeSession(number: number, session: SessionSummary, current: boolean): string {
  const { messageCount, model, sessionId, running } = session;
  const mark = current ? "*" : "";
  const messages = `${messageCount} ${messageCount === 1 ? "message" : "messages"}`;
  const now = running ? " · replying" : "";
  return `${number}${mark} ${nameOf(session)} · ${messages} · ${model}${now} · ${sessionId}`;
}
