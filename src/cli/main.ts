import { Command, CommanderError } from "commander";
import { version } from "../version.ts";
import { createBackupCommand } from "./backup.ts";
import { createChatCommand } from "./chat.ts";
import { createDoctorCommand } from "./doctor.ts";
import { CliError, type ExitCode, exitCode } from "./exit-code.ts";
import { type Io, processIo } from "./io.ts";
import { createKeysCommand } from "./keys.ts";
import {
  createHealthCommand,
  createModelsCommand,
  createSessionsCommand,
  createStatsCommand,
} from "./query-commands.ts";
import { createRestoreCommand } from "./restore.ts";
import { withoutControls } from "./sanitize.ts";
import { createServeCommand } from "./serve.ts";
import { createWatchCommand } from "./watch.ts";

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
  await runCommand(processIo(), process.argv.slice(2));
}

/** Runs `chatwire` with these arguments, with what `io` has of a process. */
export async function runCommand(io: Io, args: readonly string[]): Promise<void> {
  const program = new Command("chatwire")
    .description(
      "A streaming chat service for generative models: the server, and a client for the terminal",
    )
    .version(version)
    .showHelpAfterError("(--help shows how)")
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    });
  for (const command of [
    createServeCommand(),
    createChatCommand(io),
    createSessionsCommand(io),
    createWatchCommand(io),
    createModelsCommand(io),
    createStatsCommand(io),
    createHealthCommand(io),
    createKeysCommand(io),
    createDoctorCommand(),
    createBackupCommand(),
    createRestoreCommand(),
  ]) {
    program.addCommand(command);
  }
  inheritSettings(program);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    const code = tell(error, io);
    if (code !== exitCode.ok) io.exit(code);
  }
}

function inheritSettings(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) inheritSettings(child.copyInheritedSettings(command));
}

/** Says what is wrong and returns the exit code; throws what nobody expected. */
function tell(error: unknown, { stderr }: Pick<Io, "stderr">): ExitCode {
  // Commander has said it already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  if (!(error instanceof CliError)) throw error;
  stderr.write(`chatwire: ${withoutControls(error.message)}\n`);
  return error.exitCode;
}
