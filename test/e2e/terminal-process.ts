import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import type { Writable } from "node:stream";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { killAfter } from "../support/programs.ts";
import { createTerminalScreen } from "../support/terminal-screen.ts";
import { stateFolder } from "../unit/cli/run-command.ts";

const bin = fileURLToPath(new URL("../../bin/chatwire.js", import.meta.url));
const host = fileURLToPath(new URL("../support/python/terminal_host.py", import.meta.url));
const python = "/usr/bin/python3";

const rowsLookedAt = 50;

/** `chatwire` as a process in a terminal. */
export type TerminalProcess = {
  readonly pid: number;
  /** All bytes that the terminal was sent. */
  readonly shown: () => string;
  /** What it shows, its scrollback included. */
  readonly screen: () => string;
  /** Resolves when the last rows that it shows match; with all that it shows. */
  until(pattern: RegExp): Promise<string>;
  type(text: string): void;
  /** Makes it so many columns wide; the program gets SIGWINCH. */
  resize(columns: number): void;
  /** Resolves with its exit code. */
  result(): Promise<number | null>;
};

/** Starts `chatwire` in a terminal of so many columns. It is killed after the test, should it still run. */
export function startInTerminal(
  t: TestContext,
  args: string[],
  { columns = 80, env = {} }: { columns?: number; env?: Record<string, string> } = {},
): TerminalProcess {
  const { PATH = "", HOME = "" } = process.env;
  const state = { XDG_STATE_HOME: stateFolder(t) };
  const command = [host, `${columns} 24`, process.execPath, bin, ...args];
  const child = spawn(python, command, {
    env: { PATH, HOME, TERM: "xterm-256color", ...state, ...env },
    stdio: ["pipe", "pipe", "inherit", "pipe"],
  });
  killAfter(t, child);
  const closed = once(child, "close");
  const screen = createTerminalScreen(columns);
  const changed = new EventTarget();
  const tellChange = () => changed.dispatchEvent(new Event("change"));
  let shown = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
    screen.write(text);
    tellChange();
  });
  child.stdin?.on("error", () => undefined);
  void closed.then(tellChange);
  const sizes = child.stdio[3] as Writable;
  return {
    pid: child.pid ?? 0,
    shown: () => shown,
    screen: screen.text,
    async until(pattern) {
      while (!pattern.test(screen.text(rowsLookedAt))) {
        assert.equal(child.exitCode, null, `it ended without ${pattern}: ${screen.text()}`);
        await once(changed, "change", { signal: t.signal }).catch((error: Error) => {
          t.diagnostic(`waited for ${pattern} behind ${JSON.stringify(shown.slice(-2_000))}`);
          throw error;
        });
      }
      return screen.text();
    },
    type: (text) => void child.stdin?.write(text),
    resize(to) {
      screen.resize(to);
      sizes.write(`${to} 24\n`);
    },
    async result() {
      await closed;
      return child.exitCode;
    },
  };
}

/** Why there is no terminal to test in; false where there is. Missing it fails where CI=true. */
export function noTerminal(): string | false {
  if (spawnSync(python, ["-c", "import pty"]).status === 0) return false;
  assert.notEqual(process.env.CI, "true", `${python} with its pty module is needed`);
  return `${python} with its pty module is needed`;
}
