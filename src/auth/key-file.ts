import { type FSWatcher, watch } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { type KeyEntry, KeyFileError, keyFileBytesMax, parseKeyList } from "./key-list.ts";

/** How often the file is looked at beside what the operating system tells, milliseconds. */
const pollMsDefault = 5_000;
/** A file changed this shortly before it was read may change again without another time stamp, milliseconds. */
const stampMs = 1_000;

export type KeyFileOptions = {
  readonly path: string;
  /** Told, in a sentence, what the operator has to mend; the keys read before go on to count. */
  readonly onProblem: (message: string) => void;
  /** Told how many keys there are after each change. */
  readonly onReload?: ((keys: number) => void) | undefined;
};

/** The keys of a file, always as last read. */
export type KeyFile = {
  /** By id; undefined where there is none. */
  find(id: string): KeyEntry | undefined;
  /** Stops looking. Repeating it does nothing. */
  close(): void;
};

/** What tells two versions of a file apart without reading it. */
type Stamp = string | undefined;
type Content = { readonly text: string; readonly stamp: Stamp; readonly isOpenToWriters: boolean };

/**
 * Reads the keys and follows the file: written in place, renamed over, or reached by symbolic links that are
 * swapped (secrets of Kubernetes). Changes in its folder are seen at once where the operating system tells
 * them, and all others within 5 s. Rejects with KeyFileError when the file cannot be used at first; later a
 * file that is gone or broken is a problem that is told once, and changes nothing.
 */
export async function openKeyFile(options: KeyFileOptions): Promise<KeyFile> {
  const { path, onProblem } = options;
  let content = await readContent(path);
  let keys = byId(content.text, path);
  let told = "";
  let isClosed = false;
  let reading: Promise<void> | undefined;
  let isAskedAgain = false;

  function tell(message: string): void {
    if (message !== told && !isClosed) onProblem(message);
    told = message;
  }

  function warnOfMode(): void {
    if (content.isOpenToWriters) {
      onProblem(`${path} can be written by others than its owner, who could let themselves in`);
    }
  }

  async function readOnce(): Promise<void> {
    try {
      const next = await readContent(path, content.stamp);
      if (next === undefined || isClosed) return;
      const isSame = next.text === content.text;
      const couldBeWritten = content.isOpenToWriters;
      content = next;
      if (!couldBeWritten) warnOfMode();
      if (!isSame) {
        keys = byId(next.text, path);
        options.onReload?.(keys.size);
      }
      told = "";
    } catch (error) {
      tell(`${(error as Error).message}; the keys read before go on to count`);
    }
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

  warnOfMode();
  const watcher = watchFolder(dirname(path), look);
  const poll = setInterval(look, pollMsDefault).unref();
  return {
    find: (id) => keys.get(id),
    close() {
      isClosed = true;
      clearInterval(poll);
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
  try {
    return new Map(parseKeyList(text).map((entry) => [entry.id, entry]));
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    throw new KeyFileError(error.problems.map((problem) => `${path}: ${problem}`));
  }
}

async function readContent(path: string): Promise<Content>;
/** Undefined where the file is the one that `known` was taken of. */
async function readContent(path: string, known: Stamp): Promise<Content | undefined>;
async function readContent(path: string, known?: Stamp): Promise<Content | undefined> {
  try {
    await using file = await open(path, "r");
    const stat = await file.stat({ bigint: true });
    if (!stat.isFile()) throw new KeyFileError([`${path} is not a file`]);
    if (stat.size > keyFileBytesMax) throw new KeyFileError([`${path} is too large`]);
    const stamp = [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs, stat.mode].join(":");
    if (stamp === known) return undefined;
    const isSettled = Date.now() - Number(stat.ctimeMs) > stampMs;
    const isOpenToWriters = process.platform !== "win32" && (stat.mode & 0o022n) !== 0n;
    const text = await file.readFile("utf8");
    return { text, stamp: isSettled ? stamp : undefined, isOpenToWriters };
  } catch (error) {
    if (error instanceof KeyFileError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new KeyFileError([`${path} cannot be read (${code})`]);
  }
}
