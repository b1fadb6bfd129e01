import { useEffect, useMemo, useReducer } from "react";
import { ChatRequest_Type as RequestType } from "../../../src/gen/chat/chat_pb.ts";
import { useApp, useObservable } from "../app-context.ts";
import { errorWords } from "../client/error-words.ts";
import { createObservable } from "../client/observable.ts";
import type { OutboxEntry } from "../session/outbox-entry.ts";
import type { SessionState } from "../session/session-store.ts";
import { emptyView } from "../session/session-view.ts";

/** A conversation and what can be done in it. */
export type Chat = {
  readonly state: SessionState;
  /** What is on its way, or was refused. */
  readonly entries: readonly OutboxEntry[];
  /** Whether a reply is being written, or is about to be. */
  readonly isBusy: boolean;
  readonly send: (text: string) => void;
  readonly edit: (messageId: string, text: string) => void;
  readonly regenerate: (messageId: string) => void;
  readonly goOn: (messageId: string) => void;
  readonly stop: () => void;
  /** Cancels a turn that waits. */
  readonly cancel: (turnId: string) => void;
  readonly fork: (messageId: string) => void;
  readonly sendAgain: (requestId: string) => void;
  readonly discard: (requestId: string) => void;
  /** Stops sending a message; no turn comes of it. */
  readonly withdraw: (requestId: string) => void;
  readonly loadOlder: () => void;
  /** Reads the session once more after it could not be read. */
  readonly retry: () => void;
};

const nothing = createObservable<SessionState>({
  status: "ready",
  view: emptyView,
  info: undefined,
  error: undefined,
  isLoadingOlder: false,
});

/** Follows a session while it is shown; an empty id is a chat that is about to begin. */
export function useChat(sessionId: string): Chat {
  const app = useApp();
  const { outbox, sessions, tabStream, readList } = app;
  const [attempt, again] = useReducer((count: number) => count + 1, 0);
  const store = useMemo(
    () => (sessionId === "" ? undefined : sessions.get(sessionId)),
    [sessions, sessionId],
  );
  const state = useObservable(store?.state ?? nothing);
  const all = useObservable(outbox.entries);
  const entries = useMemo(
    () => all.filter((entry) => entry.sessionId === sessionId),
    [all, sessionId],
  );

  // Another attempt reads again.
  useEffect(() => tabStream.read(store?.read ?? readList), [tabStream, store, readList, attempt]);
  useEffect(() => {
    if (store === undefined) return;
    const settle = () => outbox.settle(sessionId, store.state.get().view);
    settle();
    return store.state.subscribe(settle);
  }, [outbox, store, sessionId]);

  const actions = useMemo(() => createActions(app, sessionId), [app, sessionId]);
  const { running } = state.view;
  const isSending = entries.some((entry) => entry.state === "sending" || entry.state === "sent");
  return {
    ...actions,
    state,
    entries,
    isBusy: running !== undefined || isSending,
    stop: () => actions.stop(running?.turnId, entries),
    loadOlder: () => void store?.loadOlder(),
    retry: () => {
      store?.reset();
      again();
    },
  };
}

function createActions(app: ReturnType<typeof useApp>, sessionId: string) {
  const { chat, outbox, location, notices, newChat, noteError } = app;
  const report = (error: unknown) => {
    noteError(error);
    notices.tell({ text: errorWords(error), tone: "error" });
  };
  const again = (type: RequestType) => (messageId: string) =>
    void outbox.send({ sessionId, type, messageId });
  return {
    send(text: string) {
      const settings = sessionId === "" ? newChat.settings.get() : {};
      outbox.send({ ...settings, sessionId, text });
    },
    edit: (messageId: string, text: string) =>
      void outbox.send({ sessionId, type: RequestType.EDIT, messageId, text }),
    regenerate: again(RequestType.REGENERATE),
    goOn: again(RequestType.CONTINUE),
    stop(turnId: string | undefined, entries: readonly OutboxEntry[]) {
      const cancelled =
        turnId === undefined
          ? entries.map(({ requestId }) => outbox.cancel(requestId))
          : [chat.session(sessionId).cancelTurn({ turnId })];
      Promise.all(cancelled).catch(report);
    },
    cancel: (turnId: string) => void chat.session(sessionId).cancelTurn({ turnId }).catch(report),
    fork: (upToMessageId: string) =>
      void chat
        .session(sessionId)
        .fork({ upToMessageId })
        .then((forked) => location.go({ page: "chat", sessionId: forked.sessionId }))
        .catch(report),
    sendAgain: outbox.sendAgain,
    discard: outbox.discard,
    withdraw: (requestId: string) => void outbox.cancel(requestId).catch(report),
  };
}
