/** What the process tells its caller. */
export const exitCode = {
  ok: 0,
  failed: 1,
  /** The command line or the configuration cannot be used as it is. */
  usage: 2,
  /** Left by Ctrl-C: 128 + SIGINT, as shells count. */
  cancelled: 130,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** A failure that is the caller's to mend: told in words, without a stack trace. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: ExitCode;

  constructor(message: string, code: ExitCode = exitCode.failed) {
    super(message);
    this.exitCode = code;
  }
}
