/** Where small things are kept; sessionStorage and localStorage are. */
export type TextStore = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Reads a text; undefined where there is none, or the browser keeps nothing (private windows, full disks). */
export function readStored(store: TextStore, name: string): string | undefined {
  try {
    return store.getItem(name) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a text under a name; an empty or undefined one is forgotten. What cannot be kept is let go. */
export function writeStored(store: TextStore, name: string, text: string | undefined): void {
  try {
    if (text) store.setItem(name, text);
    else store.removeItem(name);
  } catch {
    // A page without storage works; it only remembers nothing.
  }
}
