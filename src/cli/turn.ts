import type { OnConnection } from "../client/connection.ts";
import type { Turn, TurnFields } from "../client/turn.ts";
import { TurnError } from "../client/turn-error.ts";
import type { ChatResponse } from "../gen/chat/chat_pb.ts";
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
  /** What else the request says: what it is, where it is no message, and its request_id. */
  fields?: TurnFields;
};

/** Hears a turn to its end; `signal` aborts when nobody waits for that any more. */
export type Hear = (turn: Turn, signal: AbortSignal) => Promise<TurnEnd | undefined>;

export type TurnResult = {
  /** The session that the turn belongs to; the question's own where the server named none. */
  sessionId: string;
  /** `left`: a second Ctrl-C, or nobody reads the output any more. */
  outcome: TurnEnd | "left";
  /** What kept the end from being heard, or the turn from being begun; undefined where it was heard. */
  error?: unknown;
};

/** Shows a turn's events as they come. */
export function hearOn(show: (event: ChatResponse) => Promise<TurnEnd | undefined>): Hear {
  return async (turn) => {
    let end: TurnEnd | undefined;
    for await (const event of turn.events) end = (await show(event)) ?? end;
    return end;
  };
}

/**
 * Runs one turn and has it heard to its end, across lost connections and restarts of the server. Ctrl-C
 * cancels it on the server, and what has arrived stays shown; a second one stops waiting for that. Never
 * throws: failures are told on the screen.
 */
export async function runTurn(
  { client, url }: Connection,
  screen: Screen,
  interrupts: Interrupts,
  { message, sessionId, modelId, fields }: Question,
  hear: Hear = hearOn((event) => showEvent(screen, event)),
  onConnection: OnConnection = tellOutage(screen, url),
): Promise<TurnResult> {
  const left = new AbortController();
  const sender = sessionId === "" ? client : client.session(sessionId);
  const turn = sender.send(message, {
    ...fields,
    modelId,
    signal: left.signal,
    onConnection,
  });
  const stop = createStop(turn, url, () => left.abort());
  const stopListening = interrupts.listen(() => stop.interrupt());
  if (screen.gone.aborted) stop.leave();
  else screen.gone.addEventListener("abort", stop.leave, { once: true });
  let end: Omit<TurnResult, "sessionId">;
  try {
    end = { outcome: (await hear(turn, left.signal)) ?? "failed" };
  } catch (error) {
    end = { outcome: await tellFailure(error), error };
  } finally {
    stopListening();
    screen.gone.removeEventListener("abort", stop.leave);
    await stop.settled();
  }
  await screen.endReply();
  return { sessionId: turn.sessionId, ...end };

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

/** Says once for each outage that there is one, and when it is over; what the first new attempt mends is none. */
export function tellOutage(screen: Pick<Screen, "aside">, url: string): OnConnection {
  let failures = 0;
  return ({ state }) => {
    if (state === "live") {
      if (failures > 1) void screen.aside(`connected to ${url} again`);
      failures = 0;
    }
    if (state !== "lost") return;
    failures += 1;
    if (failures === 2) void screen.aside(`there is no connection to ${url}; trying again`);
  };
}
