import { createObservable, type Observable } from "./observable.ts";
import { readStored, type TextStore, writeStored } from "./stored.ts";

/**
 * The key or token that this tab calls with. `wanted`: the server asks for one. `refused`: it did not take
 * the one that it was shown.
 */
export type CredentialState = {
  readonly token: string;
  readonly demand: "none" | "wanted" | "refused";
};

export interface Credential {
  readonly state: Observable<CredentialState>;
  /** Uses it from now on, in this tab, until it is closed or signed out. */
  set(token: string): void;
  /**
   * The server answered UNAUTHENTICATED to a call that was made while `shown` was the state. Changes nothing where
   * that has passed: such calls are answered together, or late, when there is another token or the same anew.
   */
  refuse(shown: CredentialState): void;
  /** Forgets it. */
  signOut(): void;
}

const name = "chatwire.token";

/** Keeps the token in sessionStorage: it ends with the tab and is in no URL. */
export function createCredential(store: TextStore): Credential {
  const state = createObservable<CredentialState>({
    token: readStored(store, name) ?? "",
    demand: "none",
  });
  return {
    state,
    set(token) {
      writeStored(store, name, token);
      state.set({ token, demand: "none" });
    },
    refuse(shown) {
      const { token, demand } = shown;
      if (state.get() !== shown || demand !== "none") return;
      writeStored(store, name, undefined);
      state.set({ token: "", demand: token === "" ? "wanted" : "refused" });
    },
    signOut() {
      writeStored(store, name, undefined);
      state.set({ token: "", demand: "wanted" });
    },
  };
}
