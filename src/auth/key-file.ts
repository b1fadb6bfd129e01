import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import type { KeyEntry } from "./key-list.ts";
import { type KeyText, parseKeyFile, readKeyText, type Stamp } from "./read-key-text.ts";

/** How often the file is looked at beside what the operating system tells, milliseconds. */
const pollMs = 5_000;

export type KeyFileOptions = {
  readonly path: string;
  /** Told, in a sentence, what the operator has to mend; the keys read before go on to count. */
  readonly onProblem: (message: string) => void;
  /** Told how many keys there are after each change. */
  readonly onReload?: ((keys: number) => void) | undefined;
  /** Reads the file again, as `readKeyText` does. */
  readonly read?: (path: string, known: Stamp) => Promise<KeyText | undefined>;
};

/** The keys of a file, always as last read. */
export type KeyFile = {
  /** By id; undefined where there is none. */
  find(id: string): KeyEntry | undefined;
  /** Stops looking. Repeating it does nothing. */
  close(): void;
};

/**
 * Reads the keys and follows the file: written in place, renamed over, or reached by symbolic links that are
 * swapped (secrets of Kubernetes). Changes in its folder are seen at once where the operating system tells
 * them, and all others within 5 s. Rejects with KeyFileError when the file cannot be used at first; later one
 * that is gone, broken or no file, and a file system that does not answer, are problems that are told once, and
 * change nothing.
 */
export async function openKeyFile(options: KeyFileOptions): Promise<KeyFile> {
  const { path, onProblem, read = readKeyText } = options;
  let content = await readKeyText(path);
  let keys = byId(content.text, path);
  let told = "";
  let isClosed = false;
  let reading: Promise<void> | undefined;
  /** The read that was under way at the last poll. */
  let polled: Promise<void> | undefined;
  let isAskedAgain = false;

  function tell(message: string): void {
    if (message !== told && !isClosed) onProblem(`${message}; the keys read before go on to count`);
    told = message;
  }

  function warnOfMode(): void {
    if (content.isOpenToWriters) {
      onProblem(`${path} can be written by others than its owner, who could let themselves in`);
    }
  }

  async function readOnce(): Promise<void> {
    try {
      const next = await read(path, content.stamp);
      if (isClosed) return;
      if (next !== undefined) take(next);
      told = "";
    } catch (error) {
      tell((error as Error).message);
    }
  }

  /** Throws KeyFileError where these are no keys; they are not looked at again then. */
  function take(next: KeyText): void {
    const isSame = next.text === content.text;
    const couldBeWritten = content.isOpenToWriters;
    content = next;
    if (!couldBeWritten) warnOfMode();
    if (isSame) return;
    keys = byId(next.text, path);
    options.onReload?.(keys.size);
  }

  /** Reads where something may have changed; what is asked meanwhile is done after it. */
  function look(): void {
    if (isClosed) return;
    isAskedAgain = reading !== undefined;
    reading ??= readOnce().finally(() => {
      reading = undefined;
      if (isAskedAgain) look();
    });
  }

  function poll(): void {
    // It cannot be taken back, and another would hold another of Node's few threads.
    if (reading !== undefined && reading === polled) tell(`${path} does not answer`);
    look();
    polled = reading;
  }

  warnOfMode();
  const watcher = watchFolder(dirname(path), look);
  const timer = setInterval(poll, pollMs).unref();
  return {
    find: (id) => keys.get(id),
    close() {
      isClosed = true;
      clearInterval(timer);
      watcher?.close();
    },
  };
}

/** Calls `look` for whatever happens in the folder. Without it, or where it ends, the poll is left. */
function watchFolder(folder: string, look: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, look);
    watcher.on("error", () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}

function byId(text: string, path: string): Map<string, KeyEntry> {
  return new Map(parseKeyFile(path, text).map((entry) => [entry.id, entry]));
}
