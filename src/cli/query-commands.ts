import { Command, InvalidArgumentError } from "commander";
import { exitCode } from "./exit-code.ts";
import type { Io } from "./io.ts";
import { type ServerOptions, withServer } from "./server-options.ts";

/** The options of the commands that ask the server. */
export type QueryOptions = ServerOptions & { json?: boolean };
export type SessionsOptions = QueryOptions & { limit: number };

/** `chatwire sessions`: the caller's sessions. */
export function createSessionsCommand(io: Io): Command {
  return withServer(new Command("sessions"), io)
    .description("List your sessions, latest change first")
    .argument("[words...]", "only those whose title or messages have all these words")
    .option("--limit <n>", "list at most so many", count, 50)
    .option("--json", "one JSON object a line, for programs")
    .addHelpText(
      "after",
      `
Examples:
  chatwire sessions                       the last 50
  chatwire sessions tax return            those that have both words
  chatwire sessions --json --limit 1 | jq -r .sessionId`,
    )
    .action(async (words: string[], options: SessionsOptions) => {
      const { showSessions } = await import("./queries.ts");
      await showSessions(io, words.join(" "), options);
    });
}

/** `chatwire models`: what can be asked. */
export function createModelsCommand(io: Io): Command {
  return withServer(new Command("models"), io)
    .description("List the models that the server has, the default one first")
    .option("--json", "one JSON object a line, for programs")
    .addHelpText(
      "after",
      `
Examples:
  chatwire models
  chatwire chat --model "$(chatwire models --json | jq -r .modelId | fzf)"`,
    )
    .action(async (options: QueryOptions) => {
      const { showModels } = await import("./queries.ts");
      await showModels(io, options);
    });
}

/** `chatwire stats`: what the server has done. */
export function createStatsCommand(io: Io): Command {
  return withServer(new Command("stats"), io)
    .description("Show what the server process has done since it started")
    .option("--json", "one JSON object, for programs")
    .addHelpText("after", "\nExamples:\n  chatwire stats --json | jq .runningTurns")
    .action(async (options: QueryOptions) => {
      const { showStats } = await import("./queries.ts");
      await showStats(io, options);
    });
}

/** `chatwire health`: whether the server can answer, for people and scripts. */
export function createHealthCommand(io: Io): Command {
  return withServer(new Command("health"), io)
    .description(
      `Say whether the server can answer; ends with ${exitCode.unreachable} where it cannot`,
    )
    .option("--json", "one JSON object, for programs")
    .addHelpText("after", "\nExamples:\n  until chatwire health; do sleep 1; done")
    .action(async (options: QueryOptions) => {
      const { showHealth } = await import("./queries.ts");
      await showHealth(io, options);
    });
}

function count(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number from 1 to 99999.");
}
