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
import type { QueryOptions, SessionsOptions } from "./query-commands.ts";
import { oneLine } from "./sanitize.ts";
import { formatTable } from "./table.ts";
import { withConnection } from "./with-connection.ts";

const pageSizeMax = 200;

/** Prints the caller's sessions, those with all words of the query. */
export function showSessions(io: Io, query: string, options: SessionsOptions): Promise<void> {
  return withConnection(options, io, async (connection) => {
    const sessions = await listSessions(connection, query, options.limit);
    io.stdout.write(
      options.json
        ? sessions.map((each) => messageLine(SessionSummarySchema, each)).join("")
        : formatTable(describeSessions(sessions)),
    );
  });
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
  return sessions;
}

/** Prints the models that can be asked. */
export function showModels(io: Io, options: QueryOptions): Promise<void> {
  return withConnection(options, io, async ({ client }) => {
    const { models } = await client.listModels();
    io.stdout.write(
      options.json
        ? models.map((each) => messageLine(ModelSchema, each)).join("")
        : formatTable(describeModels(models)),
    );
  });
}

/** Prints what the server has done since it started. */
export function showStats(io: Io, options: QueryOptions): Promise<void> {
  return withConnection(options, io, async ({ client }) => {
    const stats = await client.getServerStats();
    io.stdout.write(
      options.json
        ? messageLine(ServerStatsResponseSchema, stats)
        : formatTable(describeStats(stats)),
    );
  });
}

/** Prints how the server is; one that cannot answer is told by the exit code too. */
export function showHealth(io: Io, options: QueryOptions): Promise<void> {
  return withConnection(options, io, async (connection) => {
    const health = await checkServer(connection);
    const { healthy, message, model, framework, pingMs } = health;
    const words = `${message}: ${framework}, ${model}, storage in ${pingMs.toFixed(1)} ms`;
    io.stdout.write(
      options.json ? messageLine(HealthResponseSchema, health) : `${oneLine(words)}\n`,
    );
    if (!healthy) io.exit(exitCode.unreachable);
  });
}
