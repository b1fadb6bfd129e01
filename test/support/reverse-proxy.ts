import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import type { TestContext } from "node:test";
import type { TestApp } from "./app.ts";
import type { Served } from "./lanes.ts";
import { killAfter } from "./programs.ts";

/** A reverse proxy as docs/operate.md sets it up, before a server of ours. It speaks TLS. */
export type ReverseProxy = Served & {
  readonly port: number;
  /** Kills it with all its connections, and starts it again on its port. */
  restart(): Promise<void>;
};

/** What a test puts in the place of the documented values. */
export type ReverseProxyOptions = {
  /** Instead of 60 s. */
  idleTimeoutMs?: number;
};

/** A program that can be put before a server. */
export type ReverseProxyKind = {
  readonly name: string;
  /** For a test's `skip`. */
  readonly missing: string | false;
  start(t: TestContext, app: TestApp, options?: ReverseProxyOptions): Promise<ReverseProxy>;
};

/**
 * A file of docs/deploy with other values in it. What is replaced has to be there, so that the documented file is
 * what is tested.
 */
export function readDeployFile(name: string, replacements: Readonly<Record<string, string>>) {
  let text = readFileSync(new URL(`../../docs/deploy/${name}`, import.meta.url), "utf8");
  for (const [documented, value] of Object.entries(replacements)) {
    assert.ok(text.includes(documented), `${name} has no ${JSON.stringify(documented)}`);
    text = text.replaceAll(documented, value);
  }
  return text;
}

/** Runs the proxy in the foreground until the server's clients are closed. */
export async function runReverseProxy(
  t: TestContext,
  app: TestApp,
  port: number,
  [file, ...args]: readonly [string, ...string[]],
): Promise<ReverseProxy> {
  let child: ChildProcess;
  const start = async () => {
    child = spawn(file, args, { stdio: ["ignore", "ignore", "pipe"] });
    killAfter(t, child);
    let told = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      told += text;
    });
    const hasEnded = () => child.exitCode !== null;
    while (!(await accepts(port))) assert.ok(!hasEnded(), `${file} has ended: ${told}`);
  };
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };
  await start();
  app.defer(stop);
  const restart = async () => {
    await stop();
    await start();
  };
  return { url: `https://localhost:${port}`, tls: true, port, defer: app.defer, restart };
}

/** A port of 127.0.0.1 that was free a moment ago: the proxies cannot be asked which one they took. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function accepts(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host: "127.0.0.1", port });
  socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  return promise.finally(() => socket.destroy());
}
