import { appendFile, mkdir, open, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";

/** How many lines are kept, and how much of a file is read at its end, bytes. */
export const historyLimits = { linesMax: 1_000, bytesMax: 256 * 1024, lineCharactersMax: 8_192 };

/** What a person typed, over many conversations. */
export type History = {
  /** The latest lines, the newest first, as node:readline wants them. Empty where there are none to be had. */
  load(): Promise<string[]>;
  /**
   * Keeps a line. One that begins with a space is not kept, as in shells, nor one that is very long. Never
   * throws: without a place to write there is no history.
   */
  add(line: string): Promise<void>;
};

/** Where the history is: the folder for state of the XDG Base Directory Specification. */
export function historyPath(env: Readonly<Record<string, string | undefined>>): string {
  const { XDG_STATE_HOME: state = "" } = env;
  const folder = isAbsolute(state) ? state : join(env.HOME || homedir(), ".local", "state");
  return join(folder, "chatwire", "history");
}

/** A history in a file that its owner alone may read. Several programs may add to it at once. */
export function createHistory(path: string): History {
  let adding = Promise.resolve();

  async function load(): Promise<string[]> {
    const { text, isWhole } = await readEnd(path);
    const lines = text.split("\n").slice(isWhole ? 0 : 1);
    const kept = lines.filter((line) => line !== "").slice(-historyLimits.linesMax);
    if (!isWhole || lines.length > 2 * historyLimits.linesMax) await replace(path, kept);
    return kept.reverse();
  }

  async function append(line: string): Promise<void> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await appendFile(path, `${line}\n`, { mode: 0o600 });
  }

  return {
    load: () => load().catch(() => []),
    add(line) {
      const isKept = /^\S/.test(line) && line.length <= historyLimits.lineCharactersMax;
      if (isKept) adding = adding.then(() => append(line)).catch(() => undefined);
      return adding;
    },
  };
}

/** The end of the file, as much of it as is looked at. */
async function readEnd(path: string): Promise<{ text: string; isWhole: boolean }> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  const start = Math.max(0, size - historyLimits.bytesMax);
  const { buffer, bytesRead } = await file.read({
    buffer: Buffer.alloc(size - start),
    position: start,
  });
  return { text: buffer.toString("utf8", 0, bytesRead), isWhole: start === 0 };
}

/** A reader sees the old file or the new one, never half of one. */
async function replace(path: string, lines: readonly string[]): Promise<void> {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, lines.map((line) => `${line}\n`).join(""), { mode: 0o600 });
  await rename(draft, path);
}
