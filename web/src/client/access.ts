import { claimStore } from "./caller.ts";
import type { Credential } from "./credential.ts";
import type { TextStore } from "./stored.ts";

/** Signing in and out. */
export interface Access {
  /**
   * Uses a credential that the server takes; throws where it does not. What another caller has left, or may
   * have, is forgotten; a mistyped credential forgets nothing, and neither does one that `signal` leaves.
   */
  signIn(token: string, signal?: AbortSignal): Promise<void>;
  /** Forgets the credential and everything that was read with it; what is to be deleted still is. */
  signOut(): void;
}

export type AccessOptions = {
  credential: Credential;
  /** Throws where the server does not take the credential, or `signal` leaves it. */
  tryToken: (token: string, signal?: AbortSignal) => Promise<void>;
  /** What the tab keeps and what all tabs share; each has had a caller of its own. */
  tabStore: TextStore;
  browserStore: TextStore;
  forgetTab: () => void;
  forgetBrowser: () => void;
  /** Leaves the chat that is shown. */
  leaveChat: () => void;
  deletions: { retry(): void; settle(): void };
};

/** Makes the page's way in and out. */
export function createAccess(options: AccessOptions): Access {
  const { credential, forgetTab, forgetBrowser, leaveChat, deletions } = options;
  return {
    async signIn(token, signal) {
      await options.tryToken(token, signal);
      const lastHere = claimStore(options.tabStore, token);
      if (lastHere !== "same") forgetTab();
      // A link that somebody came by is theirs; the chat of the caller before is not.
      if (lastHere === "other") leaveChat();
      if (claimStore(options.browserStore, token) !== "same") forgetBrowser();
      credential.set(token);
      deletions.retry();
    },
    signOut() {
      deletions.settle();
      forgetTab();
      forgetBrowser();
      credential.signOut();
      leaveChat();
    },
  };
}
