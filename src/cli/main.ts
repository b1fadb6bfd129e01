import { Command, CommanderError } from "commander";
import { version } from "../version.ts";
import { createChatCommand } from "./chat.ts";
import { CliError, exitCode } from "./exit-code.ts";
import { withoutControls } from "./sanitize.ts";
import { createServeCommand } from "./serve.ts";

/**
 * Runs the `chatwire` command with the process's arguments and sets its exit code. Only the unexpected is
 * thrown; what a person can mend is told in words.
 */
export async function main(): Promise<void> {
  // A reader that leaves early (`chatwire serve --help | head`) is no failure.
  for (const output of [process.stdout, process.stderr]) {
    output.on("error", ({ code }: NodeJS.ErrnoException) => {
      if (code !== "EPIPE") process.exitCode = exitCode.failed;
    });
  }
  const program = new Command("chatwire")
    .description(
      "A streaming chat service for generative models: the server, and a client for the terminal",
    )
    .version(version)
    .showHelpAfterError("(--help shows how)");
  for (const command of [createServeCommand(), createChatCommand()]) {
    program.addCommand(command.copyInheritedSettings(program));
  }
  for (const command of [program, ...program.commands]) command.exitOverride();
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = tell(error);
  }
}

/** Says what is wrong and returns the exit code; throws what nobody expected. */
function tell(error: unknown): number {
  // Commander has said it already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  if (!(error instanceof CliError)) throw error;
  process.stderr.write(`chatwire: ${withoutControls(error.message)}\n`);
  return error.exitCode;
}
