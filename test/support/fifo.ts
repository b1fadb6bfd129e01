import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import type { TestContext } from "node:test";

/** Where no named pipes can be made, why. */
export const fifoMissing = process.platform === "win32" && "there are no named pipes in folders";

/** Makes a named pipe that nobody writes to. Whoever still waits for a writer after the test gets one. */
export function makeFifo(t: TestContext, path: string): void {
  execFileSync("mkfifo", [path]);
  t.after(() => {
    try {
      closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
    } catch {
      // The test has removed it.
    }
  });
}
