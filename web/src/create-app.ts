import { QueryCache, QueryClient } from "@tanstack/react-query";
import { type ConnectionChange, isRetryable } from "../../src/client/client.ts";
import { createCredential } from "./client/credential.ts";
import { createObservable } from "./client/observable.ts";
import { createPageClient } from "./client/page-client.ts";
import { createPageLocation } from "./route/page-location.ts";
import { documentVisibility } from "./session/document-visibility.ts";
import { createDrafts } from "./session/drafts.ts";
import { createOutbox } from "./session/outbox.ts";
import type { OutboxEntry } from "./session/outbox-entry.ts";
import { createSessionStores } from "./session/session-stores.ts";
import { createTabStream } from "./session/tab-stream.ts";
import { titleFrom } from "./session/title.ts";
import { createDeletions } from "./sessions/deletions.ts";
import { createListChanges } from "./sessions/list-changes.ts";
import { blankSettings, createNewChat } from "./settings/new-chat.ts";
import { createNotices } from "./ui/notices.ts";

export type App = ReturnType<typeof createApp>;

/** Puts the page together: everything that lives as long as the tab, and not as a component. */
export function createApp(window: Window) {
  const { document, sessionStorage, localStorage } = window;
  const credential = createCredential(sessionStorage);
  const { chat, transport, noteError } = createPageClient(window.location.origin, credential);
  const location = createPageLocation(window);
  const notices = createNotices();
  const connection = createObservable<ConnectionChange>({ state: "closed" });
  const queries = new QueryClient({
    queryCache: new QueryCache({ onError: noteError }),
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        retry: (count, error) => count < 2 && isRetryable(error),
        refetchOnWindowFocus: false,
      },
    },
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
    onError: noteError,
  });
  const outbox = createOutbox({
    chat,
    tabStream,
    store: sessionStorage,
    newRequestId: randomId,
    onError: noteError,
    onOpened(entry) {
      nameSession(entry);
      const route = location.route.get();
      if (route.page === "chat" && route.sessionId === "") {
        location.replace({ page: "chat", sessionId: entry.sessionId });
      }
    },
  });
  const newChat = createNewChat(sessionStorage);
  const drafts = createDrafts(localStorage);
  const deletions = createDeletions({ chat, credential, notices, window, onError: noteError });

  /** A list of sessions is read by titles; a message's beginning is the first one. */
  function nameSession({ sessionId, text }: OutboxEntry): void {
    const title = titleFrom(text);
    chat.session(sessionId).update({ title }).catch(noteError);
  }

  return {
    chat,
    transport,
    queries,
    credential,
    location,
    notices,
    connection,
    tabStream,
    sessions,
    outbox,
    drafts,
    deletions,
    newChat,
    noteError,
    /** Reads the changes of the session list, where no session is open that brings them along. */
    async readList(signal: AbortSignal): Promise<void> {
      try {
        for await (const item of chat.watchSessions({ signal, onConnection: connection.set })) {
          listChanges.tell(item.type === "list" ? "list" : item.event);
        }
      } catch (error) {
        noteError(error);
      }
    },
    /** Forgets the key and everything that was read with it. */
    signOut(): void {
      drafts.clear();
      outbox.clear();
      newChat.set(blankSettings);
      sessions.clear();
      credential.signOut();
      queries.clear();
      location.replace({ page: "chat", sessionId: "" });
    },
  };
}

/** 128 random bits; crypto.randomUUID is missing on pages that came by plain HTTP from another machine. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
