import { NoRegularFileError, openRegularFile, readOpenFile } from "../regular-file.ts";
import { type KeyEntry, KeyFileError, keyFileBytesMax, parseKeyList } from "./key-list.ts";

/** A file changed this shortly before it was read may change again without another time stamp, milliseconds. */
const stampMs = 1_000;

/** What tells two versions of a file apart without reading it. */
export type Stamp = string | undefined;

export type KeyText = {
  readonly text: string;
  readonly stamp: Stamp;
  readonly isOpenToWriters: boolean;
};

/**
 * Reads a key file: a regular one, of at most `keyFileBytesMax`; links are followed. Resolves with undefined where it
 * is the one that `known` was taken of. Rejects with KeyFileError, its path in the message and the system's error as
 * its cause. It is read without end where the file system does not answer.
 */
export async function readKeyText(path: string): Promise<KeyText>;
export async function readKeyText(path: string, known: Stamp): Promise<KeyText | undefined>;
export async function readKeyText(path: string, known?: Stamp): Promise<KeyText | undefined> {
  try {
    await using file = await openRegularFile(path);
    const stat = await file.stat({ bigint: true });
    const stamp = [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs, stat.mode].join(":");
    if (stamp === known) return undefined;
    const isSettled = Date.now() - Number(stat.ctimeMs) > stampMs;
    const isOpenToWriters = process.platform !== "win32" && (stat.mode & 0o022n) !== 0n;
    const text = await readOpenFile(path, file, keyFileBytesMax);
    return { text, stamp: isSettled ? stamp : undefined, isOpenToWriters };
  } catch (error) {
    if (error instanceof NoRegularFileError) throw new KeyFileError([error.message]);
    const { code } = error as NodeJS.ErrnoException;
    throw new KeyFileError([`${path} cannot be read (${code})`], { cause: error });
  }
}

/** The entries in the text of the file at `path`. Throws KeyFileError, the path before each of its problems. */
export function parseKeyFile(path: string, text: string): KeyEntry[] {
  try {
    return parseKeyList(text);
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    throw new KeyFileError(error.problems.map((problem) => `${path}: ${problem}`));
  }
}
