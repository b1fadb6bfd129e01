import { askOnce, questionOf } from "./ask.ts";
import type { ChatOptions } from "./chat.ts";
import { checkServer } from "./check-server.ts";
import type { Connection } from "./client.ts";
import { chatCommands } from "./commands.ts";
import { createCompleter } from "./complete.ts";
import type { ExitCode } from "./exit-code.ts";
import { createHistory, historyPath } from "./history.ts";
import { runInteractive, type Start } from "./interactive.ts";
import type { Io } from "./io.ts";
import { createLineReader } from "./line-reader.ts";
import { createScreen } from "./screen.ts";
import { withConnection } from "./with-connection.ts";

/** Asks the one question that there is, or talks with a person until they leave. */
export function runChat(io: Io, asked: string, options: ChatOptions): Promise<ExitCode> {
  return withConnection(options, io, (connection) => chat(connection, io, asked, options));
}

async function chat(
  connection: Connection,
  io: Io,
  asked: string,
  { session: sessionId = "", model: modelId = "", system = "", json = false }: ChatOptions,
): Promise<ExitCode> {
  const screen = createScreen(io.stdout, io.stderr, { env: io.env, json });
  const health = await checkServer(connection);
  if (!health.healthy) await screen.note(`the server is not well: ${health.message}`);
  const message = await questionOf(asked, io, screen);
  if (message !== undefined) {
    const fields = system === "" ? {} : { systemInstruction: system };
    const question = { message, sessionId, modelId, fields, json };
    return askOnce(connection, io, screen, question);
  }
  await screen.note(
    `${connection.url} answers as ${modelId || health.model}; /help lists commands`,
  );
  const settings = { modelId, systemInstruction: system };
  return converse(connection, io, { sessionId, settings, json });
}

async function converse(connection: Connection, io: Io, start: Start): Promise<ExitCode> {
  // Into a pipe go the replies; the prompt stays where the person is.
  const terminal = io.stdout.isTTY === true && !start.json ? io.stdout : io.stderr;
  const reader = await createLineReader(io.stdin, terminal, {
    history: createHistory(historyPath(io.env)),
    complete: createCompleter(connection.client, chatCommands),
    interrupts: io.interrupts,
    dumb: io.env.TERM === "dumb",
  });
  const { env } = io;
  const [stdout, stderr] = [reader.above(io.stdout), reader.above(io.stderr)];
  const screen = createScreen(stdout, stderr, { env, json: start.json });
  try {
    return await runInteractive(connection, screen, reader, start);
  } finally {
    await reader.close();
  }
}
