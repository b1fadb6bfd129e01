import type { Connection } from "./client.ts";
import { type ExitCode, exitCode } from "./exit-code.ts";
import type { LineReader } from "./line-reader.ts";
import type { Screen } from "./screen.ts";
import { createSessions } from "./sessions.ts";
import { runTurn } from "./turn.ts";

const help = [
  "/new                   begin another session with the next message",
  "/sessions              list the sessions that changed last",
  "/open <id or number>   go on with one of them",
  "/quit                  leave (so do Ctrl-D, and Ctrl-C at the prompt)",
  "/help                  show this",
  "Ctrl-C while a reply streams cancels it. A message that begins with / is written with two: //like this.",
];

export type Start = { sessionId: string; modelId: string };

/** Talks with a person until they leave; returns the exit code. */
export async function runInteractive(
  connection: Connection,
  screen: Screen,
  reader: LineReader,
  start: Start,
): Promise<ExitCode> {
  const sessions = createSessions(connection, screen);
  let { sessionId } = start;
  if (sessionId !== "" && (await sessions.open(sessionId)) === undefined) return exitCode.failed;
  for (;;) {
    const line = await reader.next();
    if (line === undefined || line.trim() === "/quit") return exitCode.ok;
    if (line.trim() === "") continue;
    if (/^\/(?!\/)/.test(line)) {
      sessionId = await obey(line.trim());
      continue;
    }
    const question = { message: line.replace(/^\/\//, "/"), sessionId, modelId: start.modelId };
    const result = await runTurn(connection, screen, reader.interrupts, question);
    if (result.outcome === "left") return exitCode.cancelled;
    sessionId = result.sessionId;
  }

  /** Does what a command says, and returns the session to go on in. */
  async function obey(line: string): Promise<string> {
    const [command, argument = "", ...more] = line.split(/\s+/);
    if (command === "/new") {
      await screen.note("the next message begins a session");
      return "";
    }
    if (command === "/open" && argument !== "" && more.length === 0) {
      return (await sessions.open(argument)) ?? sessionId;
    }
    if (command === "/sessions") await sessions.list(sessionId);
    else if (command === "/help") for (const text of help) await screen.note(text);
    else if (command === "/open")
      await screen.note("/open needs the id or the number of a session");
    else await screen.note(`there is no command ${command}; /help lists them`);
    return sessionId;
  }
}
