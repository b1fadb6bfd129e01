import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { buffer } from "node:stream/consumers";

/** What has this name cannot be read as a file: it is none, or larger than its reader takes. */
export class NoRegularFileError extends Error {
  override readonly name = "NoRegularFileError";
  readonly path: string;

  constructor(path: string, problem: "is not a file" | "is too large") {
    super(`${path} ${problem}`);
    this.path = path;
  }
}

// Opening a named pipe waits for its writer otherwise, and keeps the process from ending. Windows has no such flag.
const readNow = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Opens a file to read it, whatever else has taken its name: pipes, devices and folders are refused at once, with
 * NoRegularFileError. Rejects with the system's error where it cannot be opened. Links are followed.
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, readNow);
  } catch (error) {
    throw asNoFile(path, error);
  }
  try {
    if ((await file.stat()).isFile()) return file;
    throw new NoRegularFileError(path, "is not a file");
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The text of a file that `openRegularFile` has opened; NoRegularFileError for one of more than `bytesMax`. */
export async function readOpenFile(
  path: string,
  file: FileHandle,
  bytesMax: number,
): Promise<string> {
  // It may grow while it is read: what counts is what comes.
  const stream = file.createReadStream({ start: 0, end: bytesMax, autoClose: false });
  const bytes = await buffer(stream);
  if (bytes.length > bytesMax) throw new NoRegularFileError(path, "is too large");
  return bytes.toString("utf8");
}

/** The text of a file of at most `bytesMax`, read as `openRegularFile` opens it. */
export async function readRegularFile(path: string, bytesMax: number): Promise<string> {
  await using file = await openRegularFile(path);
  return await readOpenFile(path, file, bytesMax);
}

/** The same while nothing else is to be done, as at the start. */
export function readRegularFileSync(path: string, bytesMax: number): string {
  const descriptor = openNow(path);
  try {
    if (!fstatSync(descriptor).isFile()) throw new NoRegularFileError(path, "is not a file");
    const bytes = Buffer.alloc(bytesMax + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(descriptor, bytes, length, bytes.length - length, null);
    }
    if (length > bytesMax) throw new NoRegularFileError(path, "is too large");
    return bytes.toString("utf8", 0, length);
  } finally {
    closeSync(descriptor);
  }
}

function openNow(path: string): number {
  try {
    return openSync(path, readNow);
  } catch (error) {
    throw asNoFile(path, error);
  }
}

/** A socket cannot even be opened: ENXIO (open(2)). */
function asNoFile(path: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENXIO" ? new NoRegularFileError(path, "is not a file") : error;
}
