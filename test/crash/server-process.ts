import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("./server.ts", import.meta.url));

/** The server of server.ts, which is killed and started again on the same file and port. */
export interface KilledServer {
  readonly url: string;
  /** Starts it and resolves when it listens; undefined when it was killed before that. */
  start(): Promise<number | undefined>;
  /** `kill -9`; resolves when it is gone. */
  kill(): Promise<void>;
}

export function createKilledServer(database: string, callsFile: string): KilledServer {
  let port = 0;
  let child: ChildProcess | undefined;
  return {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    async start() {
      const args = [script, database, callsFile, String(port)];
      child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      const exited = once(child, "exit");
      if (!child.stdout) throw new Error("no output");
      const lines = createInterface({ input: child.stdout });
      for await (const line of lines) {
        port = Number(/^listens on (\d+)$/.exec(line)?.[1]);
        return port;
      }
      await exited;
      if (child.signalCode !== "SIGKILL") throw new Error("the server did not start");
      return undefined;
    },
    async kill() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}
