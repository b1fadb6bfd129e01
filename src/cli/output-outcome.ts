import { CliError, type ExitCode, exitCode } from "./exit-code.ts";
import type { Screen } from "./screen.ts";

/**
 * The exit code where stdout took no more: a reader that leaves early (`| head`) is no failure, and a full
 * disk is, told by a CliError.
 */
export function outcomeOfOutput({ gone }: Pick<Screen, "gone">): ExitCode {
  const { code, message } = gone.reason as NodeJS.ErrnoException;
  if (code === "EPIPE") return exitCode.ok;
  throw new CliError(`the output cannot be written: ${message}`);
}
