import { statSync } from "node:fs";

/**
 * Why what has this name is no file that could be read or replaced, in words that follow the name: a folder, a device,
 * a named pipe or a socket, links followed. Undefined for a regular file, and where there is nothing.
 */
export function kindProblem(path: string): "is a folder" | "is no regular file" | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isFile()) return undefined;
  return found.isDirectory() ? "is a folder" : "is no regular file";
}
