import type { Clock } from "./clock.ts";
import { ChatError, storageUnavailable } from "./errors.ts";
import type { EventBody, NewEvent, Question } from "./event.ts";
import type { EventLog } from "./event-log.ts";
import type { LiveTurn } from "./live-turn.ts";
import { withSignature } from "./reply.ts";
import { retryUntil } from "./retry.ts";
import type { Store } from "./store.ts";
import type { Turn, TurnEnd } from "./turn.ts";
import type { TurnWriter } from "./turn-writer.ts";

type EndBody = Extract<EventBody, { type: "end" }>;

/** What a turn's end event tells of it, given how it came out. */
export function endOf(
  live: LiveTurn,
  outcome: Pick<
    EndBody,
    "finishReason" | "error" | "model" | "usage" | "processingMs" | "firstChunkMs" | "signature"
  >,
  messagesBefore: number,
): EndBody {
  const { turn } = live;
  return {
    type: "end",
    ...outcome,
    messageId: turn.replyMessageId,
    totalChunks: live.chunks(),
    messageCount: messagesBefore + messagesAdded(live),
  };
}

type RecordOptions = {
  live: LiveTurn;
  fence: number;
  writer: TurnWriter;
  log: EventLog;
  store: Store;
  clock: Clock;
  givenUp: AbortSignal;
};

/**
 * Appends a turn's end, then stores it (rule 12), each until it is taken; readers are told of a failure. The log
 * keeps the turn's events until the store has the end. Throws the last failure once `givenUp` aborts, and
 * whatever repeating cannot mend.
 */
export async function recordEnd(options: RecordOptions, body: EndBody): Promise<TurnEnd> {
  const { live, fence, writer, log, store, clock, givenUp } = options;
  const tellReaders = (error: unknown) => {
    live.fail(error instanceof ChatError ? error : storageUnavailable(error));
  };
  const last = lastEvents(live, body, clock.now());
  await retryUntil(givenUp, () => writer.append(last), tellReaders);
  const stored = storedEnd(live, fence, body);
  await retryUntil(givenUp, () => store.endTurn(stored), tellReaders);
  await log.release(stored.sessionId, stored.turnId);
  return stored;
}

/**
 * The end, and before it what nobody has been told: an edit hides what it replaces when it is created, however
 * it ends. A turn's first event carries its question (DESIGN section 2, rule 4).
 */
function lastEvents(live: LiveTurn, body: EndBody, at: number): NewEvent[] {
  const { turn } = live;
  const place = { at, elapsedMs: body.processingMs };
  const untold = turn.type === "edit" && !live.hasToldReplaced();
  const events = [...(untold ? [messagesReplaced(turn)] : []), body];
  const isFirst = live.recorded() === 0;
  return events.map((event, i): NewEvent => {
    const question = isFirst && i === 0 && questionOf(turn);
    return { ...event, ...question, ...place };
  });
}

/** What a turn's first event carries. */
export function questionOf({ type, userMessage, requestId }: Turn): Question {
  const isEarlier = type === "regenerate" || type === "continue";
  return { userMessage, ...(isEarlier && { requestId }) };
}

/** The update that says which messages a turn has taken the place of. */
export function messagesReplaced({ turnId, replaces }: Turn) {
  const data = { message_ids: replaces, by_turn_id: turnId };
  return { type: "session_update", updateType: "messages_replaced", data } as const;
}

/** What the reply changes the number of messages by: it is a new one, unless it extends or replaces one. */
function messagesAdded({ turn, parts }: LiveTurn): number {
  if (parts().length === 0 || turn.type === "continue") return 0;
  return turn.type === "regenerate" ? 1 - turn.replaces.length : 1;
}

/** What the store needs of a turn whose end is recorded. */
export function storedEnd(live: LiveTurn, fence: number, body: EndBody): TurnEnd {
  const layout = live.layout();
  const last = layout.at(-1);
  const { finishReason, error, usage, model, totalChunks, processingMs, firstChunkMs } = body;
  return {
    turnId: live.turn.turnId,
    sessionId: live.turn.sessionId,
    fence,
    model,
    finishReason,
    ...(error && { error }),
    usage,
    parts: withSignature(live.parts(), body.signature),
    replyMessageId: live.turn.replyMessageId,
    totalChunks,
    ...(firstChunkMs !== undefined && { firstChunkMs }),
    processingMs,
    sequence: last?.sequence ?? 0,
    endedAt: last?.at ?? 0,
    layout,
  };
}
