import { type ChatClient, type Turn, TurnError } from "../../../src/client/client.ts";
import { ChatRequest_Type, OnDisconnect } from "../../../src/gen/chat/chat_pb.ts";
import { createObservable, type Observable } from "../client/observable.ts";
import type { TextStore } from "../client/stored.ts";
import {
  hasMessage,
  isOf,
  type OutboxEntry,
  type Outgoing,
  readOutgoing,
  writeOutgoing,
} from "./outbox-entry.ts";
import type { SessionView } from "./session-view.ts";
import type { TabStream } from "./tab-stream.ts";

/** Sends turns, and sends them again until it is known that the server has them. */
export interface Outbox {
  readonly entries: Observable<readonly OutboxEntry[]>;
  /**
   * Sends; what has no request_id gets one. The messages of a chat go one after another, each when the server has
   * the one before; in a chat without a session the first opens one, and the others wait for it.
   */
  send(outgoing: Partial<Outgoing>): string;
  /** The session that a chat has become; undefined where it has not been opened. */
  sessionOf(newChatId: string): string | undefined;
  /** Sends it once more under the request_id that it has: a turn that began is joined. */
  sendAgain(requestId: string): void;
  /** Forgets an entry that is not being sent. */
  discard(requestId: string): void;
  /** Stops it: no turn comes of it, or the one that came is cancelled. */
  cancel(requestId: string): Promise<void>;
  /** Drops what the view shows by now. */
  settle(sessionId: string, view: SessionView): void;
  /** Forgets everything; what is on its way may still arrive. */
  clear(): void;
}

export type OutboxOptions = {
  chat: Pick<ChatClient, "send" | "session">;
  tabStream: Pick<TabStream, "borrow">;
  store: TextStore;
  newRequestId: () => string;
  /** A message without a session has opened this one. */
  onOpened: (entry: OutboxEntry) => void;
};

/** Makes the tab's outbox; what a reload left of it is sent at once. */
export function createOutbox(options: OutboxOptions): Outbox {
  const { chat, tabStream, store, onOpened } = options;
  const entries = createObservable<readonly OutboxEntry[]>([]);
  const sending = new Map<string, { turn: Turn; leave: AbortController }>();
  const opened = new Map<string, string>();

  function put(next: readonly OutboxEntry[]): void {
    entries.set(next);
    writeOutgoing(store, next);
  }

  function change(requestId: string, to: Partial<OutboxEntry>): OutboxEntry | undefined {
    put(
      entries.get().map((entry) => (entry.requestId === requestId ? { ...entry, ...to } : entry)),
    );
    return entries.get().find((entry) => entry.requestId === requestId);
  }

  function drop(requestId: string): void {
    const dropped = entries.get().find((entry) => entry.requestId === requestId);
    put(entries.get().filter((entry) => entry !== dropped));
    if (dropped !== undefined) deliverNext(dropped);
  }

  /** Sends what is due in a chat: its messages go one after another, for calls beside each other may overtake. */
  function deliverNext({ sessionId, newChatId }: Pick<Outgoing, "sessionId" | "newChatId">): void {
    const ofChat = entries.get().filter(isOf(sessionId, newChatId));
    const next = ofChat.find(({ state }) => state === "sending");
    if (next === undefined || sending.has(next.requestId)) return;
    // What is to open the session comes before all others, also while nobody knows what became of it.
    if (sessionId === "" && next !== ofChat[0]) return;
    void deliver(next);
  }

  /** The chat has a session: what waited for it goes there. */
  function open(opener: OutboxEntry): void {
    const { newChatId, sessionId } = opener;
    opened.set(newChatId, sessionId);
    onOpened(opener);
    for (const { requestId } of entries.get().filter(isOf("", newChatId))) {
      // The session has its settings by now.
      change(requestId, { ...noSettings, sessionId });
    }
  }

  /** Sends until the first event is heard; from there on the session's own stream tells the rest. */
  async function deliver(outgoing: Outgoing): Promise<void> {
    const { requestId, sessionId, text, type, messageId, modelId, systemInstruction } = outgoing;
    const { generation } = outgoing;
    let giveBack: (() => void) | undefined;
    const leave = new AbortController();
    const turn = (sessionId === "" ? chat : chat.session(sessionId)).send(text, {
      type,
      messageId,
      modelId,
      systemInstruction,
      ...(generation && { generation }),
      requestId,
      signal: leave.signal,
      // The page may be closed and come back later.
      onDisconnect: OnDisconnect.CONTINUE,
      onConnection(connection) {
        const { state } = connection;
        if (state === "lost") change(requestId, { error: connection.error });
        // While it waits to try again, the stream may read on.
        if (state === "connecting") giveBack ??= tabStream.borrow();
        if (state === "lost" || state === "closed") {
          giveBack?.();
          giveBack = undefined;
        }
      },
    });
    sending.set(requestId, { turn, leave });
    try {
      for await (const event of turn.events) {
        const sent = change(requestId, {
          state: "sent",
          sequence: event.sequence,
          sessionId: turn.sessionId,
        });
        if (sessionId === "" && sent !== undefined) open(sent);
        break;
      }
    } catch (error) {
      const state = error instanceof TurnError ? error.outcome : "unknown";
      change(requestId, { state, error: error instanceof TurnError ? error.cause : error });
    } finally {
      sending.delete(requestId);
      deliverNext({ sessionId: sessionId || turn.sessionId, newChatId: "" });
    }
  }

  function begin(outgoing: Outgoing): void {
    const entry = { ...outgoing, state: "sending", sequence: 0n, error: undefined } as const;
    // One that is sent again keeps its place: it may be what others wait for.
    if (change(entry.requestId, entry) === undefined) put([...entries.get(), entry]);
    deliverNext(entry);
  }

  const outbox: Outbox = {
    entries,
    send(outgoing) {
      const requestId = options.newRequestId();
      const complete = { ...blank, requestId, newChatId: requestId, ...outgoing };
      const sessionId = complete.sessionId || opened.get(complete.newChatId);
      begin(sessionId ? { ...complete, sessionId, newChatId: "" } : complete);
      return complete.requestId;
    },
    sessionOf: (newChatId) => opened.get(newChatId),
    sendAgain(requestId) {
      const entry = entries.get().find((each) => each.requestId === requestId);
      if (entry === undefined || entry.state === "sending") return;
      const { state: _state, sequence: _sequence, error: _error, ...outgoing } = entry;
      begin(outgoing);
    },
    discard: drop,
    async cancel(requestId) {
      const entry = entries.get().find((each) => each.requestId === requestId);
      const turn = sending.get(requestId)?.turn;
      if (turn !== undefined) await turn.cancel();
      else if (entry?.state === "sent")
        await chat.session(entry.sessionId).cancelTurn({ requestId });
      drop(requestId);
    },
    settle(sessionId, view) {
      const shown = new Set(view.messages.map((message) => message.requestId));
      const isShown = (entry: OutboxEntry) =>
        entry.sessionId === sessionId &&
        (hasMessage(entry) && shown.has(entry.requestId)
          ? true
          : entry.state === "sent" && entry.sequence <= view.sequence);
      const gone = entries.get().filter(isShown);
      if (gone.length === 0) return;
      put(entries.get().filter((entry) => !gone.includes(entry)));
      for (const { requestId } of gone) sending.get(requestId)?.leave.abort();
    },
    clear() {
      for (const { leave } of sending.values()) leave.abort();
      put([]);
    },
  };
  for (const outgoing of readOutgoing(store)) begin(outgoing);
  return outbox;
}

const noSettings = { modelId: "", systemInstruction: "", generation: undefined };

const blank: Omit<Outgoing, "requestId" | "newChatId"> = {
  sessionId: "",
  type: ChatRequest_Type.MESSAGE,
  text: "",
  messageId: "",
  ...noSettings,
};
