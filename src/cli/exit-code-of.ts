import { Code, ConnectError } from "@connectrpc/connect";
import { classifyError } from "../client/errors.ts";
import { TurnError } from "../client/turn-error.ts";
import { type ExitCode, exitCode } from "./exit-code.ts";

/** The exit code for what a call of the client library threw. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof TurnError) {
    const code = exitCodeOf(error.cause);
    return error.outcome === "unknown" && code === exitCode.failed ? exitCode.unreachable : code;
  }
  switch (classifyError(error)) {
    case "gone":
      return exitCode.notFound;
    case "denied":
      return exitCode.denied;
    case "retry":
      return ConnectError.from(error).code === Code.ResourceExhausted
        ? exitCode.failed
        : exitCode.unreachable;
    default:
      return exitCode.failed;
  }
}
