import { extname } from "node:path";

/**
 * The address of the module `name` beside the caller's, for what is loaded by address (a worker, its
 * operations): `.ts` in a checkout and `.js` in the published package, as the caller's own.
 */
export function siblingModule(name: string, callerUrl: string): URL {
  return new URL(`./${name}${extname(callerUrl)}`, callerUrl);
}
