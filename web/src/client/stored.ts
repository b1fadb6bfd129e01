/** Where small things are kept; sessionStorage and localStorage are. */
export type TextStore = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** A store that can say what it has. */
export type NamedStore = TextStore & Pick<Storage, "length" | "key">;

/** A store of the window; one that ends with the page where the browser lets it have none. */
export function openStore(open: () => NamedStore): NamedStore {
  try {
    return open();
  } catch {
    return createPageStore();
  }
}

function createPageStore(): NamedStore {
  const texts = new Map<string, string>();
  return {
    get length() {
      return texts.size;
    },
    key: (index) => [...texts.keys()][index] ?? null,
    getItem: (name) => texts.get(name) ?? null,
    setItem: (name, text) => void texts.set(name, text),
    removeItem: (name) => void texts.delete(name),
  };
}

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

/** The names in the store that begin with `prefix`. */
export function storedNames(store: NamedStore, prefix: string): string[] {
  try {
    const names = Array.from({ length: store.length }, (_, index) => store.key(index) ?? "");
    return names.filter((name) => name.startsWith(prefix));
  } catch {
    return [];
  }
}
