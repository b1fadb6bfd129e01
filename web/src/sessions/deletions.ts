import { Code, ConnectError } from "@connectrpc/connect";
import { type ChatClient, isRetryable } from "../../../src/client/client.ts";
import type { Credential } from "../client/credential.ts";
import { errorWords } from "../client/error-words.ts";
import { createObservable, type Observable } from "../client/observable.ts";
import { readStored, type TextStore, writeStored } from "../client/stored.ts";
import type { Notices } from "../ui/notices.ts";

/** Deletes sessions a little later, since on the server there is no way back. */
export interface Deletions {
  /** The sessions that are not to be shown any more. */
  readonly hidden: Observable<ReadonlySet<string>>;
  remove(session: { sessionId: string; title: string; onUndo?: (() => void) | undefined }): void;
  /** Tries again what could not be done while the server was out of reach. */
  retry(): void;
  /** Sends what is left with the credential of now, and forgets it: somebody else may come. */
  settle(): void;
  /** Forgets what is left: the credential for it is gone. */
  forget(): void;
}

export type DeletionsOptions = {
  chat: Pick<ChatClient, "session">;
  credential: Credential;
  /** The notices of the caller of now. */
  notices: () => Notices;
  /** Keeps what is still to be deleted when the page is closed. */
  store: TextStore;
  window: Pick<Window, "addEventListener" | "fetch" | "location">;
  /** How long Undo is offered, milliseconds. */
  undoMs?: number;
};

/** Makes the page's deletions; what a page before this one could not do is done. */
export function createDeletions(options: DeletionsOptions): Deletions {
  const { chat, credential, notices, store, window, undoMs = 6_000 } = options;
  const due = createDueList(store);
  const hidden = createObservable<ReadonlySet<string>>(new Set(due.ids()));
  const waiting = new Map<string, ReturnType<typeof setTimeout>>();
  const running = new Set<string>();

  function show(sessionId: string): void {
    hidden.set(new Set([...hidden.get()].filter((each) => each !== sessionId)));
  }

  async function perform(sessionId: string, title = "", told = notices()): Promise<void> {
    if (running.has(sessionId)) return;
    waiting.delete(sessionId);
    running.add(sessionId);
    due.add(sessionId);
    try {
      await chat.session(sessionId).delete();
      due.remove(sessionId);
    } catch (error) {
      fail(sessionId, title, told, error);
    } finally {
      running.delete(sessionId);
    }
  }

  function fail(sessionId: string, title: string, told: Notices, error: unknown): void {
    const { code } = ConnectError.from(error);
    if (code === Code.NotFound) {
      due.remove(sessionId);
    } else if (isRetryable(error)) {
      if (title !== "") {
        told.tell({ title, text: "will be deleted once the server is back.", tone: "info" });
      }
    } else if (code !== Code.Unauthenticated) {
      due.remove(sessionId);
      show(sessionId);
      const text = `was not deleted. ${errorWords(error)}`;
      told.tell(
        title === "" ? { text: `A chat ${text}`, tone: "error" } : { title, text, tone: "error" },
      );
    }
  }

  /** Sends without waiting, as a page that goes away must; the browser still sends what is kept alive. */
  function sendNow(): void {
    for (const [sessionId, timer] of waiting) {
      clearTimeout(timer);
      due.add(sessionId);
    }
    waiting.clear();
    const { token } = credential.state.get();
    for (const sessionId of due.ids()) {
      window
        .fetch(`${window.location.origin}/chat.ChatService/DeleteSession`, {
          method: "POST",
          keepalive: true,
          headers: {
            "content-type": "application/json",
            ...(token !== "" && { authorization: `Bearer ${token}` }),
          },
          body: JSON.stringify({ sessionId }),
        })
        .then(({ ok }) => ok && due.remove(sessionId))
        // It stays due, and the next page tries again.
        .catch(() => undefined);
    }
  }

  function retry(): void {
    for (const sessionId of due.ids()) void perform(sessionId);
  }

  function forget(): void {
    for (const timer of waiting.values()) clearTimeout(timer);
    waiting.clear();
    due.clear();
    hidden.set(new Set());
  }

  function undo(sessionId: string): boolean {
    if (!waiting.has(sessionId)) return false;
    clearTimeout(waiting.get(sessionId));
    waiting.delete(sessionId);
    show(sessionId);
    return true;
  }

  window.addEventListener("pagehide", sendNow);
  window.addEventListener("online", retry);
  retry();
  return {
    hidden,
    remove({ sessionId, title, onUndo }) {
      if (waiting.has(sessionId)) return;
      const told = notices();
      hidden.set(new Set([...hidden.get(), sessionId]));
      waiting.set(
        sessionId,
        setTimeout(() => void perform(sessionId, title, told), undoMs),
      );
      const run = () => {
        if (undo(sessionId)) onUndo?.();
      };
      told.tell({
        title,
        text: "will be deleted.",
        tone: "info",
        ms: undoMs,
        action: { label: "Undo", run },
      });
    },
    retry,
    settle() {
      sendNow();
      forget();
    },
    forget,
  };
}

const name = "chatwire.deletions";

/** The ids of what is still to be deleted; read each time, as all tabs share them. */
function createDueList(store: TextStore) {
  const ids = (): string[] => {
    try {
      const kept: unknown = JSON.parse(readStored(store, name) ?? "[]");
      return Array.isArray(kept) ? kept.filter((id) => typeof id === "string") : [];
    } catch {
      return [];
    }
  };
  const write = (next: readonly string[]) =>
    writeStored(store, name, next.length > 0 ? JSON.stringify(next) : undefined);
  return {
    ids,
    add: (id: string) => write([...new Set([...ids(), id])]),
    remove: (id: string) => write(ids().filter((each) => each !== id)),
    clear: () => write([]),
  };
}
