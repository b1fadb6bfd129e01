import { spawn } from "node:child_process";
import { globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

type Group = {
  readonly files: readonly string[];
  /** How many processes run at once. */
  readonly concurrency: number;
  /** How many files share a process, one after the other; by default each has its own. */
  readonly filesPerProcess?: number;
  /** Those that have a process of their own all the same. */
  readonly alone?: readonly string[];
};

/** Tests that mostly wait, for timers and other processes, leave room for more on two processors. */
const groups: Readonly<Record<string, Group>> = {
  unit: { files: ["test/unit/**/*.test.ts"], concurrency: 3 },
  contract: { files: ["test/contract/**/*.test.ts"], concurrency: 2 },
  e2e: {
    files: ["test/e2e/**/*.test.ts"],
    concurrency: 5,
    // To load the server is most of what a small file costs.
    filesPerProcess: 6,
    alone: [
      // Count what is left in their process.
      "test/e2e/blocked-callers.test.ts",
      "test/e2e/slow-reader.test.ts",
      // Judge the delay of their process's event loop, or a pace.
      "test/e2e/shedding.test.ts",
      "test/e2e/cadence.test.ts",
    ],
  },
  // A browser is started for each process.
  browser: { files: ["test/browser/**/*.test.ts"], concurrency: 4, filesPerProcess: 6 },
  chaos: { files: ["test/crash/**/*.test.ts", "test/soak/**/*.test.ts"], concurrency: 2 },
  // They measure paces, and so run alone.
  hostile: { files: ["test/hostile/**/*.test.ts"], concurrency: 1 },
};

/** One test; none of them takes half of it. */
const testTimeoutMs = 120_000;

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * `node test/run.ts GROUP [--all] [options of node --test]`: runs a group's tests, and exits as they do. Of tests that
 * differ only in their circumstances it takes a share, another for each TEST_SEED, or with --all every one. What Node
 * makes of a source file is kept between the processes, which else spend most of their time on it.
 */
function main([name = "", ...rest]: readonly string[]): void {
  const group = groups[name];
  if (!group) {
    console.error(
      `usage: node test/run.ts ${Object.keys(groups).join("|")} [--all] [options of node --test]`,
    );
    process.exitCode = 2;
    return;
  }
  const options = rest.filter((option) => option !== "--all");
  const seed = rest.includes("--all") ? undefined : (process.env.TEST_SEED ?? "1");
  const folder = mkdtempSync(join(tmpdir(), "chatwire-tests-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const programs = writePrograms(group, folder);
  const settings = [`--test-concurrency=${group.concurrency}`, `--test-timeout=${testTimeoutMs}`];
  const preload = `--import=${new URL("support/no-async-hook.ts", import.meta.url).href}`;
  const args = ["--test", preload, ...settings, ...options, ...programs];
  const cache = `${root}node_modules/.cache/chatwire-tests`;
  const env = { NODE_COMPILE_CACHE: cache, ...process.env, TEST_SEED: seed };
  const tests = spawn(process.execPath, args, { cwd: root, env, stdio: "inherit" });
  // A terminal's Ctrl-C reaches both; the tests' end is awaited all the same.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => tests.kill(signal));
  tests.on("exit", (code, signal) => {
    process.exitCode = signal ? 128 + constants.signals[signal] : (code ?? 1);
  });
}

/** What `node --test` starts a process for each of: files as they are, and programs that import several. */
function writePrograms(group: Group, folder: string): readonly string[] {
  const { files, filesPerProcess, alone = [] } = group;
  if (filesPerProcess === undefined) return files;
  const together = globSync(files, { cwd: root })
    .filter((file) => !alone.includes(file))
    .toSorted();
  const programs = [...alone];
  while (together.length > 0) {
    programs.push(writeProgram(together.splice(0, filesPerProcess), folder));
  }
  return programs;
}

/** Named for the first and the last of its files: that is all that Node tells of a process that crashed. */
function writeProgram(files: readonly string[], folder: string): string {
  const names = [files.at(0), files.at(-1)].map((file = "") =>
    file.replace(/^test\/|\.test\.ts$/g, "").replaceAll("/", "-"),
  );
  const imports = ["test/support/whole-run.ts", ...files].map(
    (file) => `import ${JSON.stringify(pathToFileURL(join(root, file)).href)};\n`,
  );
  const program = join(folder, `${names.join("-to-")}.test.mjs`);
  writeFileSync(program, imports.join(""), { flag: "wx" });
  return program;
}

main(process.argv.slice(2));
