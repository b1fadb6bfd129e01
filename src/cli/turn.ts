import type { OnConnection } from "../client/connection.ts";
import { TurnError } from "../client/turn-error.ts";
import type { Connection } from "./client.ts";
import { explain } from "./explain.ts";
import type { Interrupts } from "./interrupts.ts";
import type { Screen } from "./screen.ts";
import { showEvent, type TurnEnd } from "./show-event.ts";
import { createStop } from "./stop.ts";

export type Question = {
  message: string;
  /** Empty: the turn opens a session. */
  sessionId: string;
  /** Empty: the session's model, or the server's default. */
  modelId: string;
};

export type TurnResult = {
  /** The session that the turn belongs to; the question's own where the server named none. */
  sessionId: string;
  /** `left`: a second Ctrl-C, or nobody reads the output any more. */
  outcome: TurnEnd | "left";
};

/**
 * Runs one turn and shows the reply as it comes, across lost connections and restarts of the server. Ctrl-C
 * cancels it on the server, and what has arrived stays shown; a second one stops waiting for that. Never
 * throws: failures are told on the screen.
 */
export async function runTurn(
  { client, url }: Connection,
  screen: Screen,
  interrupts: Interrupts,
  { message, sessionId, modelId }: Question,
): Promise<TurnResult> {
  const left = new AbortController();
  const sender = sessionId === "" ? client : client.session(sessionId);
  const onConnection = tellOutage(screen, url);
  const turn = sender.send(message, { modelId, signal: left.signal, onConnection });
  const stop = createStop(turn, url, () => left.abort());
  const stopListening = interrupts.listen(() => stop.interrupt());
  if (screen.gone.aborted) stop.leave();
  else screen.gone.addEventListener("abort", stop.leave, { once: true });
  let outcome: TurnResult["outcome"] = "failed";
  try {
    for await (const event of turn.events) outcome = (await showEvent(screen, event)) ?? outcome;
  } catch (error) {
    outcome = await tellFailure(error);
  } finally {
    stopListening();
    screen.gone.removeEventListener("abort", stop.leave);
    await stop.settled();
  }
  await screen.endLine();
  return { sessionId: turn.sessionId, outcome };

  async function tellFailure(error: unknown): Promise<TurnResult["outcome"]> {
    if (stop.state() === "left") return "left";
    const cancelled = stop.state() === "asked";
    const begun = turn.turnId !== "";
    if (cancelled && !begun && isRefused(error)) {
      await screen.note("cancelled before it began");
    } else {
      await screen.note(stop.failure() ?? explainTurnError(error, url));
    }
    return cancelled ? "cancelled" : "failed";
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof TurnError && error.outcome === "refused";
}

function explainTurnError(error: unknown, url: string): string {
  if (!(error instanceof TurnError)) return explain(error, url);
  const why = explain(error.cause, url);
  return error.outcome === "refused" ? why : `${why}; how the turn ended is not known`;
}

/** Says once for each outage that there is one; what the first new attempt mends is none. */
function tellOutage(screen: Screen, url: string): OnConnection {
  let failures = 0;
  return ({ state }) => {
    if (state === "live") failures = 0;
    if (state !== "lost") return;
    failures += 1;
    if (failures === 2) void screen.aside(`there is no connection to ${url}; trying again`);
  };
}
