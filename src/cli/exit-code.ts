/** What the process tells its caller. docs/terminal.md lists them for people. */
export const exitCode = {
  ok: 0,
  /** The reply, or the call, failed. */
  failed: 1,
  /** The command line or the configuration cannot be used as it is. */
  usage: 2,
  /** No server answers, it is not well, or how a turn ended could not be heard. */
  unreachable: 3,
  /** There is no such session, or it is somebody else's. */
  notFound: 4,
  /** The server does not know the caller, or the caller may not. */
  denied: 5,
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
