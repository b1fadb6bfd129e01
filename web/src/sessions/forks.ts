import type { ChatClient } from "../../../src/client/client.ts";
import { errorWords } from "../client/error-words.ts";
import type { Observable } from "../client/observable.ts";
import { wakeDuring } from "../client/wake.ts";
import type { PageLocation } from "../route/page-location.ts";
import type { Notices } from "../ui/notices.ts";

/** Forks sessions, and says how far it is where that takes a while. */
export interface Forks {
  /**
   * Copies the session, up to a message where one is named, and goes there unless one has gone elsewhere meanwhile.
   * Asking for what is under way changes nothing.
   */
  begin(fork: { sessionId: string; upToMessageId?: string }): void;
}

export type ForksOptions = {
  chat: Pick<ChatClient, "session" | "wake">;
  trouble: Observable<unknown>;
  notices: Notices;
  location: Pick<PageLocation, "route" | "go">;
  /** Leaves what is under way, without a word. */
  signal: AbortSignal;
};

/** A fork that is made sooner is not worth a word, milliseconds. */
const patienceMs = 400;

/** How long the way to a fork that came late is offered, milliseconds. */
const openMs = 15_000;

/** Makes a caller's forks. */
export function createForks(options: ForksOptions): Forks {
  const { chat, notices, location, signal } = options;
  const running = new Set<string>();

  async function perform(sessionId: string, upToMessageId: string): Promise<void> {
    const from = location.route.get();
    let waitsId: number | undefined;
    const timer = setTimeout(() => {
      waitsId = notices.tell({ text: "Forking the chat…", tone: "info", ms: Infinity });
    }, patienceMs);
    try {
      // One call is one request_id, however often it is sent.
      const call = chat.session(sessionId).fork({ upToMessageId }, { signal });
      const { sessionId: forkedId } = await wakeDuring(call, options);
      arrive(forkedId, location.route.get() === from);
    } catch (error) {
      if (signal.aborted) return;
      notices.tell({ text: `The chat was not forked. ${errorWords(error)}`, tone: "error" });
    } finally {
      clearTimeout(timer);
      if (waitsId !== undefined) notices.dismiss(waitsId);
    }
  }

  function arrive(sessionId: string, isStillThere: boolean): void {
    const open = () => location.go({ page: "chat", sessionId });
    const action = { label: "Open", run: open };
    if (signal.aborted) return;
    if (isStillThere) open();
    else notices.tell({ text: "The chat was forked.", tone: "info", ms: openMs, action });
  }

  return {
    begin({ sessionId, upToMessageId = "" }) {
      const key = `${sessionId}/${upToMessageId}`;
      if (running.has(key)) return;
      running.add(key);
      void perform(sessionId, upToMessageId).finally(() => running.delete(key));
    },
  };
}
