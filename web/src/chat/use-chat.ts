import { useEffect, useMemo, useReducer } from "react";
import { isRetryable } from "../../../src/client/client.ts";
import { ChatRequest_Type as RequestType } from "../../../src/gen/chat/chat_pb.ts";
import { useApp, useObservable } from "../app-context.ts";
import { errorWords } from "../client/error-words.ts";
import { createObservable } from "../client/observable.ts";
import type { App } from "../create-app.ts";
import { isOf, type OutboxEntry } from "../session/outbox-entry.ts";
import type { SessionState } from "../session/session-store.ts";
import { emptyView } from "../session/session-view.ts";

/** A conversation and what can be done in it. */
export type Chat = {
  /** Empty before its first message has begun it. */
  readonly sessionId: string;
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
  /** Puts a message that was not sent back into the field. */
  readonly takeBack: (entry: OutboxEntry) => void;
  readonly draft: Draft;
  /** Stops sending a message; no turn comes of it. */
  readonly withdraw: (requestId: string) => void;
  readonly loadOlder: () => void;
  /** Reads the session once more after it could not be read. */
  readonly retry: () => void;
};

/** What is written in the field and not sent. */
export type Draft = {
  /** Rises when something else than the field has changed it. */
  readonly version: number;
  readonly read: () => string;
  readonly write: (text: string) => void;
  /** Puts a text before what is written. */
  readonly add: (text: string) => void;
};

const nothing = createObservable<SessionState>({
  status: "ready",
  view: emptyView,
  info: undefined,
  error: undefined,
  isLoadingOlder: false,
});

/** Follows a session while it is shown; an empty id is the new chat that `newChatId` names. */
export function useChat(sessionId: string, newChatId: string): Chat {
  const app = useApp();
  const { outbox, sessions, tabStream, readList } = app;
  const [attempt, again] = useReducer((count: number) => count + 1, 0);
  const [draftVersion, noteDraft] = useReducer((count: number) => count + 1, 0);
  const store = useMemo(
    () => (sessionId === "" ? undefined : sessions.get(sessionId)),
    [sessions, sessionId],
  );
  const known = useObservable(store?.state ?? nothing);
  const isAwaited = isToBeReadAgain(known);
  // The banner says why nothing comes yet.
  const state: SessionState = isAwaited ? { ...known, status: "loading" } : known;
  const all = useObservable(outbox.entries);
  const entries = useMemo(
    () => all.filter(isOf(sessionId, newChatId)),
    [all, sessionId, newChatId],
  );

  // Another attempt reads again.
  useEffect(() => tabStream.read(store?.read ?? readList), [tabStream, store, readList, attempt]);
  useEffect(() => {
    if (!isAwaited) return;
    const readAgain = () => {
      store?.reset();
      again();
    };
    const timer = setTimeout(readAgain, againMs);
    window.addEventListener("online", readAgain);
    return () => {
      clearTimeout(timer);
      window.removeEventListener("online", readAgain);
    };
  }, [store, isAwaited]);
  useEffect(() => {
    if (store === undefined) return;
    const settle = () => outbox.settle(sessionId, store.state.get().view);
    settle();
    return store.state.subscribe(settle);
  }, [outbox, store, sessionId]);

  const actions = useMemo(
    () => createActions(app, sessionId, newChatId),
    [app, sessionId, newChatId],
  );
  const draft = useMemo(() => createDraft(app, sessionId, newChatId), [app, sessionId, newChatId]);
  const { running } = state.view;
  const isSending = entries.some(isGoing);
  const add = (text: string) => {
    draft.write([text, draft.read()].filter((each) => each !== "").join("\n\n"));
    noteDraft();
  };
  return {
    ...actions,
    sessionId,
    state,
    entries,
    isBusy: running !== undefined || isSending,
    draft: { ...draft, add, version: draftVersion },
    takeBack(entry) {
      actions.discard(entry.requestId);
      add(entry.text);
    },
    stop: () => actions.stop(running?.turnId, entries),
    loadOlder: () => void store?.loadOlder(),
    retry: () => {
      store?.reset();
      again();
    },
  };
}

/** How soon a session that could not be read is read again, milliseconds. */
const againMs = 2_000;

/** Nothing of it is known yet, and that is no fault of its own. */
function isToBeReadAgain({ status, view, error }: SessionState): boolean {
  return status === "failed" && view.messages.length === 0 && isRetryable(error);
}

function isGoing({ state }: OutboxEntry): boolean {
  return state === "sending" || state === "sent";
}

function createDraft({ drafts, newChat }: App, sessionId: string, newChatId: string) {
  const key = () => sessionId || (newChatId === newChat.id() ? "" : newChatId);
  return {
    read: () => drafts.read(key()),
    write: (text: string) => drafts.write(key(), text),
  };
}

function createActions(app: App, sessionId: string, newChatId: string) {
  const { chat, forks, outbox, notices, newChat } = app;
  const reportThat = (failed: string) => (error: unknown) =>
    void notices.tell({ text: `${failed} ${errorWords(error)}`, tone: "error" });
  const reportStop = reportThat("The reply was not stopped.");
  const reportWithdrawal = reportThat("The message was not withdrawn.");
  const again = (type: RequestType) => (messageId: string) =>
    void outbox.send({ sessionId, type, messageId });
  return {
    send(text: string) {
      if (sessionId !== "") return void outbox.send({ sessionId, text });
      const opener = outbox.entries.get().find(isOf("", newChatId));
      const { modelId, systemInstruction, generation } = opener ?? newChat.settings.get();
      outbox.send({ modelId, systemInstruction, generation, newChatId, text });
      if (opener === undefined) newChat.begin(newChatId);
    },
    edit: (messageId: string, text: string) =>
      void outbox.send({ sessionId, type: RequestType.EDIT, messageId, text }),
    regenerate: again(RequestType.REGENERATE),
    goOn: again(RequestType.CONTINUE),
    stop(turnId: string | undefined, entries: readonly OutboxEntry[]) {
      const cancelled =
        turnId === undefined
          ? entries.filter(isGoing).map(({ requestId }) => outbox.cancel(requestId))
          : [chat.session(sessionId).cancelTurn({ turnId })];
      Promise.all(cancelled).catch(reportStop);
    },
    cancel: (turnId: string) =>
      void chat.session(sessionId).cancelTurn({ turnId }).catch(reportWithdrawal),
    fork: (upToMessageId: string) => forks.begin({ sessionId, upToMessageId }),
    sendAgain: outbox.sendAgain,
    discard(requestId: string) {
      const entry = outbox.entries.get().find((each) => each.requestId === requestId);
      outbox.discard(requestId);
      if (entry?.sessionId !== "") return;
      // The chat is about to begin again.
      const { modelId, systemInstruction, generation } = entry;
      newChat.set({ modelId, systemInstruction, generation });
    },
    withdraw: (requestId: string) => void outbox.cancel(requestId).catch(reportWithdrawal),
  };
}
