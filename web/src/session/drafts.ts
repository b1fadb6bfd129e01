import { readStored, type TextStore, writeStored } from "../client/stored.ts";

/** What somebody began to write in a session and has not sent; an empty id is the new session's. */
export interface Drafts {
  read(sessionId: string): string;
  write(sessionId: string, text: string): void;
  /** Forgets all of them. */
  clear(): void;
}

const prefix = "chatwire.draft.";

/** Keeps drafts by session, so that they survive a reload and a closed tab. */
export function createDrafts(store: TextStore & Pick<Storage, "length" | "key">): Drafts {
  return {
    read: (sessionId) => readStored(store, prefix + sessionId) ?? "",
    write: (sessionId, text) => writeStored(store, prefix + sessionId, text),
    clear() {
      const names = Array.from({ length: store.length }, (_, index) => store.key(index));
      for (const name of names) if (name?.startsWith(prefix)) store.removeItem(name);
    },
  };
}
