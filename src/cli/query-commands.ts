import { Command, InvalidArgumentError } from "commander";
import {
  HealthResponseSchema,
  ModelSchema,
  ServerStatsResponseSchema,
  type SessionSummary,
  SessionSummarySchema,
} from "../gen/chat/chat_pb.ts";
import { checkServer } from "./check-server.ts";
import type { Connection } from "./client.ts";
import { describeModels, describeSessions, describeStats } from "./describe.ts";
import { exitCode } from "./exit-code.ts";
import type { Io } from "./io.ts";
import { messageLine } from "./json.ts";
import { oneLine } from "./sanitize.ts";
import { type ServerOptions, withConnection, withServer } from "./server-options.ts";
import { formatTable } from "./table.ts";

type Options = ServerOptions & { json?: boolean };
type SessionsOptions = Options & { limit: number };

const pageSizeMax = 200;

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
    .action((words: string[], options: SessionsOptions) =>
      withConnection(options, io, async (connection) => {
        const sessions = await listSessions(connection, words.join(" "), options.limit);
        io.stdout.write(
          options.json
            ? sessions.map((each) => messageLine(SessionSummarySchema, each)).join("")
            : formatTable(describeSessions(sessions)),
        );
      }),
    );
}

async function listSessions(
  { client }: Connection,
  query: string,
  limit: number,
): Promise<SessionSummary[]> {
  const sessions: SessionSummary[] = [];
  let pageToken = "";
  do {
    const pageSize = Math.min(limit - sessions.length, pageSizeMax);
    const page = await client.listSessions({ query, pageSize, pageToken });
    sessions.push(...page.sessions);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && sessions.length < limit);
  return sessions.slice(0, limit);
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
    .action((options: Options) =>
      withConnection(options, io, async ({ client }) => {
        const { models } = await client.listModels();
        io.stdout.write(
          options.json
            ? models.map((each) => messageLine(ModelSchema, each)).join("")
            : formatTable(describeModels(models)),
        );
      }),
    );
}

/** `chatwire stats`: what the server has done. */
export function createStatsCommand(io: Io): Command {
  return withServer(new Command("stats"), io)
    .description("Show what the server process has done since it started")
    .option("--json", "one JSON object, for programs")
    .addHelpText("after", "\nExamples:\n  chatwire stats --json | jq .runningTurns")
    .action((options: Options) =>
      withConnection(options, io, async ({ client }) => {
        const stats = await client.getServerStats();
        io.stdout.write(
          options.json
            ? messageLine(ServerStatsResponseSchema, stats)
            : formatTable(describeStats(stats)),
        );
      }),
    );
}

/** `chatwire health`: whether the server can answer, for people and scripts. */
export function createHealthCommand(io: Io): Command {
  return withServer(new Command("health"), io)
    .description(
      `Say whether the server can answer; ends with ${exitCode.unreachable} where it cannot`,
    )
    .option("--json", "one JSON object, for programs")
    .addHelpText("after", "\nExamples:\n  until chatwire health; do sleep 1; done")
    .action((options: Options) =>
      withConnection(options, io, async (connection) => {
        const health = await checkServer(connection);
        const { healthy, message, model, framework, pingMs } = health;
        const words = `${message}: ${framework}, ${model}, storage in ${pingMs.toFixed(1)} ms`;
        io.stdout.write(
          options.json ? messageLine(HealthResponseSchema, health) : `${oneLine(words)}\n`,
        );
        if (!healthy) io.exit(exitCode.unreachable);
      }),
    );
}

function count(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number from 1 to 99999.");
}
