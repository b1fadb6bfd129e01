import {
  createSessionStore,
  type SessionStore,
  type SessionStoreOptions,
} from "./session-store.ts";

/** The sessions that this tab has shown lately, so that going back to one shows it at once. */
export interface SessionStores {
  get(sessionId: string): SessionStore;
  /** Reads a session's title and settings again, where it has been shown lately. */
  loadInfo(sessionId: string): Promise<void>;
  clear(): void;
}

const kept = 8;

/** Makes the tab's session stores. */
export function createSessionStores(options: SessionStoreOptions): SessionStores {
  const stores = new Map<string, SessionStore>();
  return {
    get(sessionId) {
      const store = stores.get(sessionId) ?? createSessionStore(sessionId, options);
      // The latest comes last, so the first is the one that was not shown for the longest time.
      stores.delete(sessionId);
      stores.set(sessionId, store);
      const [oldest] = stores.keys();
      if (stores.size > kept && oldest !== undefined) stores.delete(oldest);
      return store;
    },
    loadInfo: async (sessionId) => stores.get(sessionId)?.loadInfo(),
    clear: () => stores.clear(),
  };
}
