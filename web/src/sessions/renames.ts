import type { ChatClient } from "../../../src/client/client.ts";
import { errorWords } from "../client/error-words.ts";
import { createObservable, type Observable } from "../client/observable.ts";
import { wakeDuring } from "../client/wake.ts";
import type { Notices } from "../ui/notices.ts";

/** Renames sessions: a new title is shown while it is being saved, and no longer where that fails. */
export interface Renames {
  /** The titles that are not saved yet, by session. */
  readonly titles: Observable<ReadonlyMap<string, string>>;
  /** Takes the place of a rename of the same session that is under way. */
  begin(rename: { sessionId: string; title: string; before: string }): void;
}

export type RenamesOptions = {
  chat: Pick<ChatClient, "session" | "wake">;
  trouble: Observable<unknown>;
  notices: Notices;
  /** Reads again what has the session's title, and resolves when that is done. */
  reload: (sessionId: string) => Promise<unknown>;
  /** Leaves what is under way, without a word. */
  signal: AbortSignal;
};

/** Makes a caller's renames. */
export function createRenames(options: RenamesOptions): Renames {
  const { chat, notices, reload, signal: closed } = options;
  const titles = createObservable<ReadonlyMap<string, string>>(new Map());
  const running = new Map<string, AbortController>();

  function put(sessionId: string, title: string | undefined): void {
    const next = new Map(titles.get());
    if (title === undefined) next.delete(sessionId);
    else next.set(sessionId, title);
    titles.set(next);
  }

  async function perform(sessionId: string, title: string, before: string): Promise<void> {
    running.get(sessionId)?.abort();
    const leave = new AbortController();
    running.set(sessionId, leave);
    put(sessionId, title);
    const signal = AbortSignal.any([leave.signal, closed]);
    const request = { title, updateMask: ["title"] };
    try {
      await wakeDuring(chat.session(sessionId).update(request, { signal }), options);
      await reload(sessionId);
    } catch (error) {
      if (signal.aborted) return;
      notices.tell({
        title: before,
        text: `was not renamed. ${errorWords(error)}`,
        tone: "error",
      });
    } finally {
      if (running.get(sessionId) === leave) {
        running.delete(sessionId);
        put(sessionId, undefined);
      }
    }
  }

  return {
    titles,
    begin: ({ sessionId, title, before }) => void perform(sessionId, title, before),
  };
}
