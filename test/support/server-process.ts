import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { Env, TestApp } from "./app.ts";
import { killAfter, temporaryFolder } from "./programs.ts";

const bin = fileURLToPath(new URL("../../bin/chatwire.js", import.meta.url));

/** What a finished server said and how it ended; `signal` where it was killed. */
export type ServerResult = {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
};

/** `chatwire serve` as a process of its own. */
export type ServerProcess = Pick<TestApp, "url" | "port" | "tls" | "defer"> & {
  readonly pid: number;
  /** What it was started with, its folder included. */
  readonly options: ServerOptions;
  readonly stdout: string;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when the output so far, stdout and stderr together, matches. */
  until(pattern: RegExp): Promise<void>;
  result(): Promise<ServerResult>;
};

export type ServerOptions = {
  env?: Env;
  /** Where it runs, and so keeps its data; by default an empty folder. */
  cwd?: string;
  /** In front of the program: options of Node. */
  nodeArgs?: string[];
};

/** Starts a server and waits until it says where it listens. */
export async function startServer(
  t: TestContext,
  options: ServerOptions = {},
): Promise<ServerProcess> {
  const server = spawnServer(t, options);
  await server.until(/listens on http\S*:\d+[\s\S]*\n\n/);
  const [, url = ""] = /listens on (http\S*:\d+)/.exec(server.stdout) ?? [];
  const { port, protocol } = new URL(url);
  return Object.assign(server, { url, port: Number(port), tls: protocol === "https:" });
}

/** Starts it again as it was: the same port, folder and settings. The one before must have ended. */
export function restartServer(t: TestContext, server: ServerProcess): Promise<ServerProcess> {
  const { options, port } = server;
  return startServer(t, { ...options, env: { ...options.env, PORT: String(port) } });
}

/** Runs a server that is not expected to start, to its end. */
export function runServer(t: TestContext, options: ServerOptions = {}): Promise<ServerResult> {
  return spawnServer(t, options).result();
}

function spawnServer(t: TestContext, options: ServerOptions): ServerProcess {
  const { env, cwd = temporaryFolder(t), nodeArgs = [] } = options;
  const child = spawn(process.execPath, [...nodeArgs, bin, "serve"], {
    cwd,
    env: { ...bareEnv(), ...serverEnv, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  const changed = new EventTarget();
  const tellChange = () => changed.dispatchEvent(new Event("change"));
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
      tellChange();
    });
  }
  const closed = once(child, "close");
  void closed.then(tellChange);
  killAfter(t, child);
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  return {
    url: "",
    port: 0,
    tls: false,
    pid: child.pid ?? 0,
    options: { ...options, cwd },
    get stdout() {
      return output.stdout;
    },
    defer: (close) => t.after(async () => void (await close())),
    kill: (signal) => void child.kill(signal),
    async until(pattern) {
      while (!pattern.test(output.stdout + output.stderr)) {
        assert.ok(!hasEnded(), `ended without ${pattern}: ${output.stdout}${output.stderr}`);
        await once(changed, "change", { signal: t.signal });
      }
    },
    async result() {
      await closed;
      return { code: child.exitCode, signal: child.signalCode, ...output };
    },
  };
}

/** Any port, no waiting, and no refusals because the machine is busy. */
const serverEnv: Env = {
  PORT: "0",
  SCRIPTED_MODEL: "1",
  ELIZA_WORDS_PER_SECOND: "0",
  EVENT_LOOP_DELAY_SHED_MS: "0",
};

/** Enough of the environment to run in; nothing that would configure the server. */
function bareEnv(): Env {
  const { PATH = "", HOME = "", TMPDIR, NODE_COMPILE_CACHE } = process.env;
  return {
    PATH,
    HOME,
    ...(TMPDIR && { TMPDIR }),
    ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }),
  };
}

/** Words for a person: no stack trace, no source line, no warning of Node's. */
export function assertPlainWords(text: string): void {
  assert.doesNotMatch(text, /^\s+at .*:\d+:\d+\)?$/m);
  assert.doesNotMatch(text, /file:\/\/|node:internal|Warning:|Error: /);
}
