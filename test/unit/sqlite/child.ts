import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

/** A process of ours with the lines that it prints; killed after the test if it still runs. */
export type Child = {
  pid: number;
  /** The next line of its output; undefined when it has ended. */
  nextLine(): Promise<string | undefined>;
  /** `kill -9`, and waits until it is gone. */
  kill(): Promise<void>;
};

export function startChild(t: TestContext, script: URL, ...args: string[]): Child {
  const child: ChildProcess = spawn(process.execPath, [script.pathname, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  if (child.stdout === null || child.pid === undefined) throw new Error("the child did not start");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  async function kill(): Promise<void> {
    child.kill("SIGKILL");
    await exited;
  }
  t.after(kill);
  return { pid: child.pid, nextLine: async () => (await lines.next()).value, kill };
}
