import type { ChatClient } from "../../../src/client/client.ts";
import type { Credential } from "../client/credential.ts";
import { errorWords } from "../client/error-words.ts";
import { createObservable, type Observable } from "../client/observable.ts";
import type { Notices } from "../ui/notices.ts";

/** Deletes sessions a little later, since on the server there is no way back. */
export interface Deletions {
  /** The sessions that are not to be shown any more. */
  readonly hidden: Observable<ReadonlySet<string>>;
  remove(session: { sessionId: string; title: string }): void;
}

export type DeletionsOptions = {
  chat: Pick<ChatClient, "session">;
  credential: Credential;
  notices: Notices;
  window: Pick<Window, "addEventListener" | "fetch" | "location">;
  onError: (error: unknown) => void;
  /** How long Undo is offered, milliseconds. */
  undoMs?: number;
};

export function createDeletions(options: DeletionsOptions): Deletions {
  const { chat, credential, notices, window, onError, undoMs = 6_000 } = options;
  const hidden = createObservable<ReadonlySet<string>>(new Set());
  const waiting = new Map<string, ReturnType<typeof setTimeout>>();

  function show(sessionId: string): void {
    hidden.set(new Set([...hidden.get()].filter((each) => each !== sessionId)));
  }

  async function perform(sessionId: string): Promise<void> {
    waiting.delete(sessionId);
    try {
      await chat.session(sessionId).delete();
    } catch (error) {
      onError(error);
      show(sessionId);
      notices.tell({ text: `It was not deleted. ${errorWords(error)}`, tone: "error" });
    }
  }

  /** A page that goes away does not wait; the browser still sends what is kept alive. */
  function performAll(): void {
    const { token } = credential.state.get();
    for (const [sessionId, timer] of waiting) {
      clearTimeout(timer);
      void window.fetch(`${window.location.origin}/chat.ChatService/DeleteSession`, {
        method: "POST",
        keepalive: true,
        headers: {
          "content-type": "application/json",
          ...(token !== "" && { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify({ sessionId }),
      });
    }
    waiting.clear();
  }

  window.addEventListener("pagehide", performAll);
  return {
    hidden,
    remove({ sessionId, title }) {
      if (waiting.has(sessionId)) return;
      hidden.set(new Set([...hidden.get(), sessionId]));
      waiting.set(
        sessionId,
        setTimeout(() => void perform(sessionId), undoMs),
      );
      notices.tell({
        text: `“${title}” is deleted.`,
        tone: "info",
        ms: undoMs,
        action: {
          label: "Undo",
          run() {
            if (!waiting.has(sessionId)) return;
            clearTimeout(waiting.get(sessionId));
            waiting.delete(sessionId);
            show(sessionId);
          },
        },
      });
    },
  };
}
