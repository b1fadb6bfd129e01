import { randomUUID } from "node:crypto";
import { open, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type FileLockOptions, lockFile } from "./file-lock.ts";
import { formatKeyList, type KeyEntry, KeyFileError, parseKeyList } from "./key-list.ts";
import { parseKeyFile, readKeyText } from "./read-key-text.ts";

/** Editing takes milliseconds. */
const lockDefaults: FileLockOptions = { waitMs: 15_000, staleMs: 10_000 };

/** The entries of the file. Rejects with KeyFileError, its path in the message, when it cannot be used. */
export async function readKeyFile(path: string): Promise<KeyEntry[]> {
  const entries = await readEntries(path);
  if (entries === undefined) throw new KeyFileError([`${path} does not exist`]);
  return entries;
}

/**
 * Puts what `edit` makes of the file's entries in their place. Two that edit at once do so one after the other; a
 * reader sees the file as it was or as it is; it is on the disk when this resolves. A file that does not exist is
 * created, mode 0600, where `edit` gets no entries; one that exists keeps its mode and owner. Links are followed.
 *
 * Rejects with KeyFileError when the file cannot be used, and with what `edit` throws; then nothing is changed.
 */
export async function editKeyFile(
  path: string,
  edit: (entries: KeyEntry[] | undefined) => readonly KeyEntry[],
  lockOptions: FileLockOptions = lockDefaults,
): Promise<void> {
  const target = await realpath(path).catch(() => path);
  try {
    const lock = await lockFile(target, lockOptions);
    if (lock === undefined) {
      throw new KeyFileError([`${target}.lock: another process is changing the keys`]);
    }
    try {
      const text = formatKeyList(edit(await readEntries(target)));
      // What cannot be read again must not be written.
      parseKeyList(text);
      await replaceFile(target, text, lock.isHeld);
    } finally {
      await lock.release();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new KeyFileError([`${target} cannot be written (${code})`]);
  }
}

/** Undefined where there is no file. */
async function readEntries(path: string): Promise<KeyEntry[] | undefined> {
  try {
    const { text } = await readKeyText(path);
    return parseKeyFile(path, text);
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw error;
  }
}

async function replaceFile(
  path: string,
  text: string,
  isStillOurs: () => Promise<boolean>,
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${randomUUID()}`);
  const old = await stat(path).catch(() => undefined);
  try {
    {
      await using file = await open(temporary, "wx", 0o600);
      await file.writeFile(text);
      if (old !== undefined) {
        // A server that runs as another user must be able to read the new file, too.
        const made = await file.stat();
        if (made.uid !== old.uid || made.gid !== old.gid) await file.chown(old.uid, old.gid);
        await file.chmod(old.mode & 0o777);
      }
      await file.sync();
    }
    if (!(await isStillOurs())) {
      throw new KeyFileError([`${path}: another process has changed the keys meanwhile`]);
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** Makes the rename durable. Windows cannot open folders, and needs it less. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  await using handle = await open(folder, "r");
  await handle.sync();
}
