import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { TestApp } from "./app.ts";
import { killAfter, requireProgram, runProgram, temporaryFolder } from "./programs.ts";

/** Debian's, which has grpcio; another one on the PATH may not. */
export const python = "/usr/bin/python3";
const client = fileURLToPath(new URL("python/service_config_client.py", import.meta.url));
const contract = fileURLToPath(new URL("../../proto/chat", import.meta.url));
const serviceConfig = fileURLToPath(
  new URL("../../docs/deploy/service-config.json", import.meta.url),
);

/** For a test's `skip`. */
export const pythonMissing =
  requireProgram(python, ["-c", "import grpc"]) ||
  requireProgram("protoc", ["--version"]) ||
  requireProgram("/bin/sh", ["-c", "command -v grpc_python_plugin"]);

/** A Python client with docs/deploy/service-config.json. */
export type PythonClient = {
  /** Sends a message of its own request_id; "stream" goes by StreamChat, anything else by SendMessage. */
  ask(message: string): Promise<{ text?: string; code?: string; details?: string }>;
};

/** Starts it, and ends it with `app`'s clients. `certificate` is trusted; without one the channel is plaintext. */
export async function startPythonClient(
  t: TestContext,
  app: Pick<TestApp, "defer">,
  target: string,
  certificate?: string,
): Promise<PythonClient> {
  const stubs = await makeStubs(t);
  const args = [client, stubs, target, serviceConfig, ...(certificate ? [certificate] : [])];
  const env = { ...process.env, no_proxy: "127.0.0.1,localhost", PYTHONDONTWRITEBYTECODE: "1" };
  const child = spawn(python, args, { env, stdio: ["pipe", "pipe", "inherit"] });
  killAfter(t, child);
  const gone = once(child, "exit");
  app.defer(() => {
    child.kill("SIGKILL");
    return gone;
  });
  const lines = createInterface(child.stdout);
  return {
    async ask(message) {
      child.stdin.write(`${message}\n`);
      const [line] = await once(lines, "line", { signal: t.signal });
      return JSON.parse(line);
    },
  };
}

/** Stubs of the contract, made as its users make them. */
export async function makeStubs(t: TestContext): Promise<string> {
  const folder = temporaryFolder(t);
  const plugin = "protoc-gen-grpc_python=/usr/bin/grpc_python_plugin";
  const out = [`--python_out=${folder}`, `--grpc_python_out=${folder}`];
  const args = [`-I${contract}`, `--plugin=${plugin}`, ...out, "chat.proto"];
  const { code, stderr } = await runProgram(t, "protoc", args);
  assert.equal(code, 0, stderr);
  return folder;
}
