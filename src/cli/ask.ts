import type { Connection } from "./client.ts";
import { CliError, type ExitCode, exitCode } from "./exit-code.ts";
import { exitCodeOf } from "./exit-code-of.ts";
import type { Io } from "./io.ts";
import { eventLine } from "./json.ts";
import { outcomeOfOutput } from "./output-outcome.ts";
import { readPipedText } from "./piped-text.ts";
import type { Screen } from "./screen.ts";
import { turnEndOf } from "./show-event.ts";
import { hearOn, type Question, runTurn } from "./turn.ts";

/**
 * The one question there is to ask: from the arguments, a pipe, or both. Undefined: a person will type. Throws
 * CliError (usage) where there is none.
 */
export async function questionOf(
  asked: string,
  { stdin }: Pick<Io, "stdin">,
  screen: Screen,
): Promise<string | undefined> {
  if (stdin.isTTY) return asked === "" ? undefined : asked;
  const piped = await readPipedText(stdin, (text) => void screen.note(text));
  const question = [asked, piped].filter((text) => text.trim() !== "").join("\n\n");
  if (question !== "") return question;
  throw new CliError("there is no question: standard input was empty", exitCode.usage);
}

/** Asks one question and shows its reply, or its events as NDJSON. */
export async function askOnce(
  connection: Connection,
  io: Io,
  screen: Screen,
  { json, ...question }: Question & { json: boolean },
): Promise<ExitCode> {
  const hear = json
    ? hearOn(async (event) => {
        await screen.data(eventLine(event));
        return turnEndOf(event);
      })
    : undefined;
  const result = await runTurn(connection, screen, io.interrupts, question, hear);
  const { outcome, sessionId, error } = result;
  if (io.stderr.isTTY && sessionId !== "" && outcome !== "left") {
    await screen.note(`to go on: chatwire chat --session ${sessionId}`);
  }
  if (screen.gone.aborted) return outcomeOfOutput(screen);
  if (outcome === "complete") return exitCode.ok;
  if (outcome !== "failed") return exitCode.cancelled;
  return error === undefined ? exitCode.failed : exitCodeOf(error);
}
