import type { Readable } from "node:stream";
import type { ExitCode } from "./exit-code.ts";
import { type Interrupts, signalInterrupts } from "./interrupts.ts";
import type { Output } from "./screen.ts";

/** Standard input: a terminal, a pipe or a file. */
export type Input = Readable & {
  isTTY?: boolean;
  isRaw?: boolean;
  setRawMode?(raw: boolean): unknown;
};

/** What a command has of its process, so that a test can run one without starting a process. */
export type Io = {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The folder that relative paths begin in. */
  readonly cwd: string;
  /** Ctrl-C as a signal. */
  readonly interrupts: Interrupts;
  /** What the process will tell its caller; the last call counts. */
  exit(code: ExitCode): void;
};

/** The process's own. */
export function processIo(): Io {
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    interrupts: signalInterrupts,
    exit(code) {
      process.exitCode = code;
    },
  };
}
