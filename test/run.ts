import { spawn } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

type Group = {
  /** Its files; each runs in a process of its own. */
  readonly files: readonly string[];
  /** How many of them run at once. */
  readonly concurrency: number;
};

/** Tests that mostly wait, for timers and other processes, leave room for more on two processors. */
const groups: Readonly<Record<string, Group>> = {
  unit: { files: ["test/unit/**/*.test.ts"], concurrency: 3 },
  contract: { files: ["test/contract/**/*.test.ts"], concurrency: 2 },
  e2e: { files: ["test/e2e/**/*.test.ts"], concurrency: 4 },
  browser: { files: ["test/browser/**/*.test.ts"], concurrency: 3 },
  chaos: { files: ["test/crash/**/*.test.ts", "test/soak/**/*.test.ts"], concurrency: 2 },
  // They measure paces, and so run alone.
  hostile: { files: ["test/hostile/**/*.test.ts"], concurrency: 1 },
};

/**
 * `node test/run.ts <group> [options of node --test]`: runs a group's tests, and exits as they do. What Node
 * makes of a source file is kept between the processes, which else spend most of their time on it.
 */
function main([name = "", ...options]: readonly string[]): void {
  const group = groups[name];
  if (!group) {
    console.error(`usage: node test/run.ts ${Object.keys(groups).join("|")} [options]`);
    process.exitCode = 2;
    return;
  }
  const { files, concurrency } = group;
  const root = fileURLToPath(new URL("..", import.meta.url));
  const args = ["--test", `--test-concurrency=${concurrency}`, ...options, ...files];
  const env = { NODE_COMPILE_CACHE: `${root}node_modules/.cache/chatwire-tests`, ...process.env };
  const tests = spawn(process.execPath, args, { cwd: root, env, stdio: "inherit" });
  // A terminal's Ctrl-C reaches both; the tests' end is awaited all the same.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => tests.kill(signal));
  tests.on("exit", (code, signal) => {
    process.exitCode = signal ? 128 + constants.signals[signal] : (code ?? 1);
  });
}

main(process.argv.slice(2));
