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
  /** The server answered UNAUTHENTICATED. */
  refuse(): void;
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
    refuse() {
      const { token, demand } = state.get();
      // Calls that were made together are refused together.
      if (demand !== "none") return;
      writeStored(store, name, undefined);
      state.set({ token: "", demand: token === "" ? "wanted" : "refused" });
    },
    signOut() {
      writeStored(store, name, undefined);
      state.set({ token: "", demand: "wanted" });
    },
  };
}
