import { QueryClient } from "@tanstack/react-query";
import { type ConnectionChange, isRetryable } from "../../src/client/client.ts";
import { createAccess } from "./client/access.ts";
import { createCredential } from "./client/credential.ts";
import { createObservable } from "./client/observable.ts";
import { createPageClient } from "./client/page-client.ts";
import { openStore } from "./client/stored.ts";
import { createPageLocation } from "./route/page-location.ts";
import type { Route } from "./route/route.ts";
import { documentVisibility } from "./session/document-visibility.ts";
import { createDrafts } from "./session/drafts.ts";
import { createOutbox } from "./session/outbox.ts";
import type { OutboxEntry } from "./session/outbox-entry.ts";
import { createSessionStores } from "./session/session-stores.ts";
import { createTabStream } from "./session/tab-stream.ts";
import { titleFrom } from "./session/title.ts";
import { createCallerActions } from "./sessions/caller-actions.ts";
import { createDeletions } from "./sessions/deletions.ts";
import { createListChanges } from "./sessions/list-changes.ts";
import { blankSettings, createNewChat } from "./settings/new-chat.ts";

export type App = ReturnType<typeof createApp>;

/** Puts the page together: everything that lives as long as the tab, and not as a component. */
export function createApp(window: Window) {
  const { document } = window;
  const tabStore = openStore(() => window.sessionStorage);
  const browserStore = openStore(() => window.localStorage);
  const credential = createCredential(tabStore);
  const { origin } = window.location;
  const { chat, transport, trouble, tryToken } = createPageClient(origin, credential);
  const connection = createObservable<ConnectionChange>({ state: "closed" });
  const queries = new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        retry: (count, error) => count < 2 && isRetryable(error),
        refetchOnWindowFocus: false,
      },
    },
  });
  // What could not be done while the server was out of reach is done when it is back.
  trouble.subscribe(() => {
    if (trouble.get() !== undefined) return;
    void queries.invalidateQueries({ predicate: ({ state }) => state.status === "error" });
    deletions.retry();
  });
  const listChanges = createListChanges(queries);
  const tabStream = createTabStream(documentVisibility(document, window));
  const sessions = createSessionStores({
    chat,
    schedule: (callback) => {
      if (document.visibilityState === "visible") requestAnimationFrame(callback);
      else setTimeout(callback);
    },
    onConnection: connection.set,
    onListChange: listChanges.tell,
  });
  const outbox = createOutbox({
    chat,
    tabStream,
    store: tabStore,
    newRequestId: randomId,
    onOpened(entry) {
      const { sessionId, newChatId } = entry;
      nameSession(entry);
      drafts.move(newChatId, sessionId);
      begunHere.set(sessionId, newChatId);
      const route = location.route.get();
      if (route.page === "chat" && route.newChatId === newChatId) {
        location.replace({ page: "chat", sessionId });
      }
    },
  });
  const begunHere = new Map<string, string>();
  const newChat = createNewChat(tabStore, randomId);
  const location = createPageLocation(window, newChatRoute);
  const drafts = createDrafts(browserStore);
  let actions = actionsOfCaller();
  const deletions = createDeletions({
    chat,
    credential,
    notices: () => actions.notices,
    store: browserStore,
    window,
  });

  /** A new chat that has begun stays the one that it is; any other "/" is the one that is about to begin. */
  function newChatRoute(keptId = ""): Route {
    const sessionId = outbox.sessionOf(keptId);
    if (sessionId !== undefined) return { page: "chat", sessionId };
    const isOnItsWay = outbox.entries.get().some(({ newChatId }) => newChatId === keptId);
    const newChatId = keptId !== "" && isOnItsWay ? keptId : newChat.id();
    return { page: "chat", sessionId: "", newChatId };
  }

  function actionsOfCaller() {
    const reload = (sessionId: string) =>
      Promise.all([listChanges.refresh(), sessions.loadInfo(sessionId)]);
    return createCallerActions({ chat, trouble, location, reload });
  }

  /** Forgets what this tab has read and not sent; the credential stays as it is. */
  function forgetTab(): void {
    outbox.clear();
    newChat.set(blankSettings);
    sessions.clear();
    queries.clear();
    actions.close();
    actions = actionsOfCaller();
  }

  /** Forgets what all tabs of the browser share. */
  function forgetBrowser(): void {
    drafts.clear();
    deletions.forget();
  }

  /** A list of sessions is read by titles; a message's beginning is the first one, and shown where that fails. */
  function nameSession({ sessionId, text }: OutboxEntry): void {
    const title = titleFrom(text);
    chat
      .session(sessionId)
      .update({ title })
      .catch(() => undefined);
  }

  return {
    chat,
    transport,
    queries,
    credential,
    location,
    // Those of the caller who is here when a component asks.
    get notices() {
      return actions.notices;
    },
    get forks() {
      return actions.forks;
    },
    get renames() {
      return actions.renames;
    },
    connection,
    tabStream,
    sessions,
    outbox,
    drafts,
    deletions,
    newChat,
    trouble,
    /** Reads the changes of the session list, where no session is open that brings them along. */
    async readList(signal: AbortSignal): Promise<void> {
      try {
        for await (const item of chat.watchSessions({ signal, onConnection: connection.set })) {
          listChanges.tell(item.type === "list" ? "list" : item.event);
        }
      } catch {
        // The list itself says why it cannot be read.
      }
    },
    /** What the page knows a chat by: the same before and after its session is opened. */
    chatKey(sessionId: string, newChatId: string): string {
      return sessionId === "" ? newChatId : (begunHere.get(sessionId) ?? sessionId);
    },
    ...createAccess({
      credential,
      tryToken,
      tabStore,
      browserStore,
      forgetTab,
      forgetBrowser,
      leaveChat: () => location.replace({ page: "chat", sessionId: "" }),
      deletions,
    }),
  };
}

/** 128 random bits; crypto.randomUUID is missing on pages that came by plain HTTP from another machine. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
