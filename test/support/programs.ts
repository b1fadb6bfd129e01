import assert from "node:assert/strict";
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/**
 * For a test's `skip`: false where a program that is not ours answers, otherwise why the test cannot run.
 * Where CI=true what is missing fails instead, so that nothing is skipped unseen.
 */
export function requireProgram(file: string, args: string[]): string | false {
  if (spawnSync(file, args, { stdio: "ignore" }).status === 0) return false;
  const why = `\`${[file, ...args].join(" ")}\` does not run here`;
  assert.notEqual(process.env.CI, "true", why);
  return why;
}

export type ProgramResult = { code: number | null; stdout: string; stderr: string };

export type ProgramOptions = Pick<SpawnOptions, "cwd" | "env"> & { input?: string };

/** Runs a program to its end; killed after the test should it still run. */
export async function runProgram(
  t: TestContext,
  file: string,
  args: string[],
  { input = "", ...options }: ProgramOptions = {},
): Promise<ProgramResult> {
  const child = spawn(file, args, { ...options, stdio: "pipe" });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8");
    child[name].on("data", (text: string) => {
      output[name] += text;
    });
  }
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  killAfter(t, child);
  await once(child, "close");
  return { code: child.exitCode, ...output };
}

/** Ends a child process with its test. */
export function killAfter(t: TestContext, child: ChildProcess): void {
  const gone = once(child, "exit");
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await gone;
  });
}

/** A folder that is removed after the test. */
export function temporaryFolder(t: Pick<TestContext, "after">): string {
  const path = mkdtempSync(join(tmpdir(), "chatwire-e2e-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
