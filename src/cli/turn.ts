import {
  type ChatResponse,
  ChatResponse_Type as EventType,
  FinishReason,
} from "../gen/chat/chat_pb.ts";
import { createCancel } from "./cancel.ts";
import type { Connection } from "./client.ts";
import { explain, explainReason } from "./explain.ts";
import type { Interrupts } from "./interrupts.ts";
import type { Screen } from "./screen.ts";
import { createSilenceTimer } from "./silence-timer.ts";

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
  outcome: "complete" | "failed" | "cancelled" | "left";
};

/**
 * Runs one turn and shows the reply as it comes. Ctrl-C cancels it on the server, and what has arrived stays
 * shown; a second one stops waiting for that. Never throws: failures are told on the screen.
 */
export async function runTurn(
  connection: Connection,
  screen: Screen,
  interrupts: Interrupts,
  question: Question,
): Promise<TurnResult> {
  const call = new AbortController();
  const cancel = createCancel(connection, call);
  const silence = createSilenceTimer(call);
  const leave = () => cancel.leave();
  const stopListening = interrupts.listen(() => cancel.interrupt());
  if (screen.gone.aborted) leave();
  else screen.gone.addEventListener("abort", leave, { once: true });
  let sessionId = question.sessionId;
  let outcome: TurnResult["outcome"] | undefined;
  try {
    const events = connection.client.streamChat(question, {
      signal: call.signal,
      onHeader(headers) {
        sessionId = headers.get("chat-session-id") ?? sessionId;
        silence.heartbeatEvery(Number(headers.get("chat-heartbeat-ms")));
      },
    });
    for await (const event of events) {
      // A reader of our output may be slow; that is not the server's silence.
      silence.pause();
      if (event.sessionId !== "") sessionId = event.sessionId;
      cancel.turnIs(sessionId, event.turnId);
      outcome = (await showEvent(screen, event)) ?? outcome;
      silence.listen();
    }
    if (outcome === undefined) await screen.note("the connection ended before the reply did");
  } catch (error) {
    // After the end of its turn a stream's status only repeats it.
    if (outcome === undefined) outcome = await tellFailure(error);
  } finally {
    silence.pause();
    stopListening();
    screen.gone.removeEventListener("abort", leave);
    await cancel.settled();
  }
  await screen.endLine();
  return { sessionId, outcome: outcome ?? "failed" };

  async function tellFailure(error: unknown): Promise<TurnResult["outcome"]> {
    if (cancel.state() === "left") return "left";
    const why = cancel.failure() ?? silence.failure();
    await screen.note(why ?? explain(error, connection.url));
    return cancel.state() === "asked" ? "cancelled" : "failed";
  }
}

/** Shows one event of a turn; returns how the turn ended where the event is its end. */
async function showEvent(
  screen: Screen,
  event: ChatResponse,
): Promise<TurnResult["outcome"] | undefined> {
  switch (event.type) {
    case EventType.CHUNK:
      await (event.thought ? screen.thought(event.chunkText) : screen.reply(event.chunkText));
      return undefined;
    case EventType.RESPONSE_COMPLETE:
      await screen.endLine();
      return showCompletion(screen, event.finishReason);
    case EventType.ERROR: {
      const { errorMessage, errorReason, retryable, retryAfterMs } = event;
      const message = errorMessage || "the turn failed";
      await screen.note(explainReason(message, errorReason, retryable, retryAfterMs));
      return "failed";
    }
    default:
      return undefined;
  }
}

async function showCompletion(
  screen: Screen,
  reason: FinishReason,
): Promise<TurnResult["outcome"]> {
  switch (reason) {
    case FinishReason.CANCELLED:
      await screen.note("cancelled; what had arrived is kept in the session");
      return "cancelled";
    case FinishReason.SAFETY:
      await screen.note("the model's provider blocked the reply (SAFETY)");
      return "failed";
    case FinishReason.MAX_TOKENS:
      await screen.note("the reply ends here because it reached its token limit (MAX_TOKENS)");
      return "complete";
    default:
      return "complete";
  }
}
