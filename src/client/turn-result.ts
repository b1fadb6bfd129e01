import {
  type ChatResponse,
  ChatResponse_Type as EventType,
  type FinishReason,
  type Usage,
} from "../gen/chat/chat_pb.ts";

/** A turn whose end was seen, however it ended. */
export type TurnResult = {
  sessionId: string;
  turnId: string;
  requestId: string;
  /** The reply's message, as in ListMessages. */
  messageId: string;
  /** The reply. Where the turn was resumed with afterSequence, only what came after it. */
  text: string;
  /** The thinking, the same way. */
  thoughts: string;
  /** The model that answered. */
  model: string;
  finishReason: FinishReason;
  usage: Usage | undefined;
  /** Set where the turn failed: INTERRUPTED, INCOMPLETE, TIMEOUT, FAILED. */
  failure: TurnFailure | undefined;
  /** The recorded event that ended the turn. */
  end: ChatResponse;
  /** Of the last stream. */
  header: Headers;
  /** Of the last stream; undefined where it was lost after the turn's end. */
  trailer: Headers | undefined;
};

/** Why a turn failed. */
export type TurnFailure = {
  /** Stable: MODEL_UNAVAILABLE, SERVER_STOPPED, … */
  reason: string;
  /** For people; not to be parsed. */
  message: string;
  /** The same message may succeed later, as a new turn with a new request_id. */
  retryable: boolean;
  /** How long to wait before that, milliseconds; 0 where nobody knows. */
  retryAfterMs: number;
};

/** What a turn's events add up to so far. */
export type TurnSummary = {
  add(event: ChatResponse): void;
  /** Undefined before the end. */
  result(requestId: string, header: Headers, trailer: Headers | undefined): TurnResult | undefined;
};

export function createTurnSummary(): TurnSummary {
  const text: string[] = [];
  const thoughts: string[] = [];
  let end: ChatResponse | undefined;
  return {
    add(event) {
      if (event.type === EventType.CHUNK) (event.thought ? thoughts : text).push(event.chunkText);
      if (isTurnEnd(event)) end = event;
    },
    result(requestId, header, trailer) {
      if (end === undefined) return undefined;
      const { sessionId, turnId, messageId, model, finishReason, usage } = end;
      return {
        sessionId,
        turnId,
        requestId,
        messageId,
        text: text.join(""),
        thoughts: thoughts.join(""),
        model,
        finishReason,
        usage,
        end,
        header,
        trailer,
        failure: end.type === EventType.ERROR ? failureOf(end) : undefined,
      };
    },
  };
}

/** Whether the event is the recorded end of its turn. An ERROR with sequence 0 is not. */
export function isTurnEnd({ sequence, isFinal, type }: ChatResponse): boolean {
  const ends = type === EventType.RESPONSE_COMPLETE || type === EventType.ERROR;
  return sequence > 0n && (isFinal || ends);
}

function failureOf(end: ChatResponse): TurnFailure {
  const { errorReason: reason, errorMessage: message, retryable, retryAfterMs } = end;
  return { reason, message, retryable, retryAfterMs };
}
