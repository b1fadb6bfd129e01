import { randomUUID } from "node:crypto";
import type { Cursor } from "../client/cursor.ts";
import type { TurnFields } from "../client/turn.ts";
import type { Message } from "../gen/chat/chat_pb.ts";
import type { Connection } from "./client.ts";
import { explain } from "./explain.ts";
import { type Follower, followSession } from "./follow-session.ts";
import type { Interrupts } from "./interrupts.ts";
import type { Screen } from "./screen.ts";
import { turnEndOf } from "./show-event.ts";
import { createJsonTranscript, createTranscript, recall, recalledMax } from "./transcript.ts";
import { type Hear, runTurn, type TurnResult, tellOutage } from "./turn.ts";
import type { Typing } from "./typing.ts";

/** What sessions are begun with. */
export type SessionSettings = { modelId: string; systemInstruction: string };

/**
 * A conversation in one session at a time. What is on the screen is the session's event log: every turn, this
 * person's own and those of others, is shown from one watch, in order, each event once.
 */
export type Conversation = {
  /** Empty before the first message of a new one. */
  readonly sessionId: string;
  /** Empty: the server's default, or nothing. */
  readonly settings: Readonly<SessionSettings>;
  /** Sends a turn and waits until its end is shown. Failures are told. */
  say(message: string, fields?: TurnFields): Promise<TurnResult>;
  /** Goes on in a session, whose last messages are shown. Throws what the client library throws. */
  open(sessionId: string): Promise<void>;
  /** The next message begins a session. */
  leave(): Promise<void>;
  /** Shows nothing of the session during `work`, and then goes on; from the cursor that it returns, if it does. */
  pause(work: () => Promise<Cursor | undefined>): Promise<void>;
  /** Changes the session's settings, and those of sessions to come. Throws what the client library throws. */
  change(changed: Partial<SessionSettings>): Promise<void>;
};

export type ConversationOptions = {
  settings: SessionSettings;
  interrupts: Interrupts;
  json: boolean;
  /** Told who types. */
  typing: Pick<Typing, "heard" | "live">;
};

/** Makes a conversation without a session; nothing is sent. */
export function createConversation(
  connection: Connection,
  screen: Screen,
  { settings: start, interrupts, json, typing }: ConversationOptions,
): Conversation {
  const { client, url } = connection;
  let settings = start;
  /** An older session has a model of its own, in whose place the turns here ask for another. */
  let asksForModel = false;
  const requestIds = new Set<string>();
  let current: { sessionId: string; follower: Follower } | undefined;

  function follow(sessionId: string, cursor: Cursor, recalled: readonly Message[] = []): void {
    const transcript = json
      ? createJsonTranscript(screen)
      : createTranscript(screen, {
          isOwn: (requestId) => requestIds.has(requestId),
          recalled,
          onTyping: typing.heard,
        });
    const take: typeof transcript = async (item) => {
      if (item.type === "live") typing.live();
      await transcript(item);
    };
    const session = client.session(sessionId);
    const follower = followSession(session, cursor, take, tellOutage(screen, url));
    current = { sessionId, follower };
    void follower.over.then(({ error }) => tellOver(sessionId, error));
  }

  async function tellOver(sessionId: string, error: unknown): Promise<void> {
    if (current?.sessionId !== sessionId) return;
    current = undefined;
    await screen.note(
      error === undefined
        ? "the session was deleted"
        : `the session is left: ${explain(error, url)}`,
    );
  }

  async function leave(): Promise<void> {
    const left = current;
    current = undefined;
    await left?.follower.stop();
    await screen.endReply();
  }

  /** The session to speak in; a new one is made, so that it can be watched from its first event. */
  async function require(): Promise<{ sessionId: string; follower: Follower }> {
    if (current === undefined) {
      const { sessionId } = await client.createSession(settings);
      asksForModel = false;
      follow(sessionId, { sequence: 0n, epoch: 0 });
    }
    return current as NonNullable<typeof current>;
  }

  return {
    get settings() {
      return settings;
    },
    get sessionId() {
      return current?.sessionId ?? "";
    },
    async say(message, fields) {
      let session: Awaited<ReturnType<typeof require>>;
      try {
        session = await require();
      } catch (error) {
        await screen.note(explain(error, url));
        return { sessionId: "", outcome: "failed", error };
      }
      const { sessionId, follower } = session;
      const requestId = randomUUID();
      requestIds.add(requestId);
      const hear: Hear = async (turn, signal) => {
        const { end } = await turn.result();
        await follower.reached(end.sequence, signal);
        return turnEndOf(end);
      };
      const question = {
        message,
        sessionId,
        modelId: asksForModel ? settings.modelId : "",
        fields: { ...fields, requestId },
      };
      // The session's watch tells of outages.
      return runTurn(connection, screen, interrupts, question, hear, () => undefined);
    },
    async open(sessionId) {
      const page = { pageSize: recalledMax, newestFirst: true };
      const { messages, lastSequence, epoch } = await client.session(sessionId).listMessages(page);
      await leave();
      await screen.note(`in session ${sessionId}`);
      if (!json) await recall(screen, messages);
      asksForModel = true;
      follow(sessionId, { sequence: lastSequence, epoch }, messages);
    },
    leave,
    async pause(work) {
      const paused = current;
      current = undefined;
      const cursor = await paused?.follower.stop();
      let next: Cursor | undefined;
      try {
        next = await work();
      } finally {
        if (paused && cursor) follow(paused.sessionId, next ?? cursor);
      }
    },
    async change(changed) {
      if (current !== undefined) {
        const updateMask = Object.keys(changed).map(
          (name) => maskNames[name as keyof SessionSettings],
        );
        await client.session(current.sessionId).update({ ...changed, updateMask });
      }
      if (changed.modelId !== undefined) asksForModel = false;
      settings = { ...settings, ...changed };
    },
  };
}

const maskNames: Readonly<Record<keyof SessionSettings, string>> = {
  modelId: "model_id",
  systemInstruction: "system_instruction",
};
