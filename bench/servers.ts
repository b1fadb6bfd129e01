import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

/** A server to measure: how to start it. */
export type ServerSpec = {
  name: string;
  /** Arguments of node. */
  args: readonly string[];
  /** GetSessionInfo needs a session that was created. */
  keepsSessions: boolean;
  env?: Readonly<Record<string, string>>;
};

export type RunningServer = {
  name: string;
  pid: number;
  port: number;
  keepsSessions: boolean;
  /** Ends the process and waits for it. */
  stop(): Promise<void>;
};

/** Everybody is compared with this one. */
export const baseline = "grpc-js";

const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const serveArgs = [fileOf("../bin/chatwire.js"), "serve"];
const chatwireEnv = { PORT: "0", SCRIPTED_MODEL: "1" };

/** chatwire as users run it: what it writes is in the server's folder and survives a power cut. */
export const chatwire: ServerSpec = {
  name: "chatwire",
  args: serveArgs,
  keepsSessions: true,
  env: chatwireEnv,
};

export const servers: readonly ServerSpec[] = [
  chatwire,
  {
    name: "chatwire, DATABASE_URL=memory:",
    args: serveArgs,
    keepsSessions: true,
    env: { ...chatwireEnv, DATABASE_URL: "memory:" },
  },
  { name: baseline, args: [fileOf("./servers/grpc-js.ts")], keepsSessions: false },
  {
    name: "Connect on Fastify",
    args: [fileOf("./servers/connect-fastify.ts")],
    keepsSessions: false,
  },
  {
    name: "node:http2, prebuilt bytes",
    args: [fileOf("./servers/node-http2.ts")],
    keepsSessions: false,
  },
];

/** How long a server may take to end by itself. */
const stopTimeoutMs = 10_000;

/**
 * Starts a server in a folder of its own and resolves when it listens. Of the environment it gets PATH
 * alone: a key or a proxy of the person who measures must not change what is measured.
 */
export async function startServer(
  spec: ServerSpec,
  folder: string,
  signal: AbortSignal,
): Promise<RunningServer> {
  mkdirSync(folder, { recursive: true });
  const log = openSync(join(folder, "log"), "a");
  const child = spawn(process.execPath, [...spec.args], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...spec.env },
    stdio: ["ignore", "pipe", log],
    signal,
    killSignal: "SIGKILL",
  });
  closeSync(log);
  child.on("error", () => undefined);
  const exited = once(child, "exit").catch(() => undefined);
  const port = await readPort(child.stdout);
  if (port === undefined) throw new Error(`${spec.name} did not start; see ${join(folder, "log")}`);
  return {
    name: spec.name,
    pid: child.pid ?? 0,
    port,
    keepsSessions: spec.keepsSessions,
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** The port in the line "… listens on http://…:port"; undefined when the output ends without one. */
async function readPort(stdout: Readable | null): Promise<number | undefined> {
  let text = "";
  stdout?.setEncoding("utf8");
  return new Promise((resolve) => {
    stdout?.on("data", (data: string) => {
      text += data;
      const found = /listens on http:\/\/[^\s]+:(\d+)/.exec(text);
      if (found) resolve(Number(found[1]));
    });
    stdout?.on("end", () => resolve(undefined));
  });
}
