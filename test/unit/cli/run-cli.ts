import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const bin = fileURLToPath(new URL("../../../bin/chatwire.js", import.meta.url));

export type Result = { code: number | null; stdout: string; stderr: string };

export type RunningCli = {
  readonly child: ChildProcess;
  /** Resolves when the output so far, stdout and stderr together, matches. */
  until(pattern: RegExp): Promise<string>;
  /** Waits for the end. */
  result(): Promise<Result>;
};

export type CliOptions = {
  env?: Record<string, string>;
  cwd?: string;
};

/** Starts `chatwire` as people do. It is killed after the test, should it still run. */
export function startCli(t: TestContext, args: string[], options: CliOptions = {}): RunningCli {
  const child = spawn(process.execPath, [bin, ...args], {
    env: { ...environment(), ...options.env },
    stdio: "pipe",
    ...(options.cwd && { cwd: options.cwd }),
  });
  const output = { stdout: "", stderr: "", both: "" };
  const closed = once(child, "close");
  const changed = new EventTarget();
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8");
    child[name].on("data", (text: string) => {
      output[name] += text;
      output.both += text;
      changed.dispatchEvent(new Event("change"));
    });
  }
  child.stdin.on("error", () => {});
  child.once("close", () => changed.dispatchEvent(new Event("change")));
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await closed;
  });
  return {
    child,
    async until(pattern) {
      while (!pattern.test(output.both)) {
        const ended = child.exitCode !== null || child.signalCode !== null;
        assert.ok(!ended, `it ended without ${pattern}: ${JSON.stringify(output.both)}`);
        await once(changed, "change", { signal: t.signal });
      }
      return output.both;
    },
    async result() {
      await closed;
      return { code: child.exitCode, stdout: output.stdout, stderr: output.stderr };
    },
  };
}

/** This process's environment without what would change how the child behaves. */
function environment(): NodeJS.ProcessEnv {
  const ours = new Set([
    "CI",
    "CHATWIRE_URL",
    "CHATWIRE_API_KEY",
    "NO_COLOR",
    "FORCE_COLOR",
    "NODE_TEST_CONTEXT",
  ]);
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.has(name)));
}

/** Runs `chatwire` to its end with `input` as its standard input. */
export function runCli(
  t: TestContext,
  args: string[],
  input: string | Uint8Array = "",
  options: CliOptions = {},
): Promise<Result> {
  const cli = startCli(t, args, options);
  cli.child.stdin?.end(input);
  return cli.result();
}

/** A directory that is removed after the test. */
export function temporaryDirectory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "chatwire-cli-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
