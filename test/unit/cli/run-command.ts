import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { TestContext } from "node:test";
import type { Io } from "../../../src/cli/io.ts";
import { runCommand } from "../../../src/cli/main.ts";
import type { Result } from "./run-cli.ts";

export type CommandOptions = {
  env?: Record<string, string>;
  cwd?: string;
  /** Stdin, stdout and stderr are terminals of 80 columns. */
  terminal?: boolean;
  /** Only stdin and stderr are. */
  stdoutPiped?: boolean;
};

/** A `chatwire` command that runs in this process. */
export type RunningCommand = {
  readonly stdin: PassThrough;
  readonly stdout: PassThrough;
  /** What has been written to stdout and stderr so far, in order. */
  readonly shown: () => string;
  /** Resolves with the output so far, both together, as soon as it matches. */
  until(wanted: RegExp | ((shown: string) => boolean)): Promise<string>;
  /** Types into the terminal. */
  type(text: string): void;
  /** Sends SIGINT. */
  interrupt(): void;
  /** Interrupts it where it still runs, and checks that it ends; done after the test too. */
  close(): Promise<void>;
  /** Resolves with its end. */
  result(): Promise<Result>;
};

/**
 * Runs `chatwire` with these arguments as a process would, with streams of its own. A command that still runs
 * after the test is interrupted and its input ended; that it then ends is checked.
 */
export function startCommand(
  t: TestContext,
  args: string[],
  { env = {}, cwd = process.cwd(), terminal = false, stdoutPiped = false }: CommandOptions = {},
): RunningCommand {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const output = { stdout: "", stderr: "", both: "" };
  const changed = new EventTarget();
  const tellChange = () => changed.dispatchEvent(new Event("change"));
  for (const [name, stream] of Object.entries({ stdout, stderr })) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output[name as "stdout"] += text;
      output.both += text;
      tellChange();
    });
  }
  if (terminal) {
    Object.assign(stdin, { isTTY: true, setRawMode: () => stdin });
    for (const stream of stdoutPiped ? [stderr] : [stdout, stderr]) {
      Object.assign(stream, { isTTY: true, columns: 80, rows: 24 });
    }
  }
  const handlers = new Set<() => void>();
  let code = 0;
  const io: Io = {
    stdin,
    stdout,
    stderr,
    env: { XDG_STATE_HOME: "/nonexistent/chatwire-test", ...env },
    cwd,
    interrupts: {
      listen(handler) {
        handlers.add(handler);
        return () => handlers.delete(handler);
      },
    },
    exit: (to) => {
      code = to;
    },
  };
  const interrupt = () => {
    for (const handler of handlers) handler();
  };
  let ended = false;
  const end = runCommand(io, args).finally(() => {
    ended = true;
    tellChange();
  });
  end.catch(() => undefined);
  async function close(): Promise<void> {
    if (!ended) {
      stdin.end();
      interrupt();
      interrupt();
    }
    await end;
    assert.equal(handlers.size, 0, "a handler of Ctrl-C is left");
  }
  t.after(close);
  return {
    stdin,
    stdout,
    shown: () => output.both,
    async until(wanted) {
      const holds = typeof wanted === "function" ? wanted : (shown: string) => wanted.test(shown);
      while (!holds(output.both)) {
        assert.ok(!ended, `it ended without ${String(wanted)}: ${JSON.stringify(output.both)}`);
        await once(changed, "change", { signal: t.signal }).catch((error: Error) => {
          t.diagnostic(`waited for ${String(wanted)} behind ${JSON.stringify(output.both)}`);
          throw error;
        });
      }
      return output.both;
    },
    type: (text) => void stdin.write(text),
    interrupt,
    close,
    async result() {
      await end;
      return { code, stdout: output.stdout, stderr: output.stderr };
    },
  };
}

/** Runs `chatwire` to its end with `input` as its standard input. */
export function runInProcess(
  t: TestContext,
  args: string[],
  input: string | Uint8Array = "",
  options: CommandOptions = {},
): Promise<Result> {
  const command = startCommand(t, args, options);
  command.stdin.end(input);
  return command.result();
}

/** What a folder of its own has for the command's history and files. Removed after the test. */
export function stateFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "chatwire-state-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
