import { type NamedStore, readStored, storedNames, writeStored } from "../client/stored.ts";

/** What somebody began to write in a chat and has not sent; an empty key is the chat that is to begin. */
export interface Drafts {
  read(key: string): string;
  write(key: string, text: string): void;
  /** Keeps a draft under another key from now on; one that is not there changes nothing. */
  move(from: string, to: string): void;
  /** Forgets all of them. */
  clear(): void;
}

const prefix = "chatwire.draft.";

/** Keeps drafts by chat, so that they survive a reload and a closed tab. */
export function createDrafts(store: NamedStore): Drafts {
  const read = (key: string) => readStored(store, prefix + key) ?? "";
  const write = (key: string, text: string) => writeStored(store, prefix + key, text);
  return {
    read,
    write,
    move(from, to) {
      const text = read(from);
      if (text === "") return;
      write(to, text);
      write(from, "");
    },
    clear() {
      for (const name of storedNames(store, prefix)) writeStored(store, name, undefined);
    },
  };
}
