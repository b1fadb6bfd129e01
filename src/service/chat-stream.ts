import type { HandlerContext } from "@connectrpc/connect";
import type { Engine, StartedTurn } from "../chat/engine.ts";
import { ChatError, invalidArgument } from "../chat/errors.ts";
import { type ChatRequest, ChatRequest_Type, ChatResponse_Type } from "../gen/chat/chat_pb.ts";
import { principalOf } from "./caller.ts";
import { createChatTotals } from "./chat-totals.ts";
import {
  type ChatResponseInit,
  toChatResponse,
  toErrorEvent,
  toTimestamp,
  turnFailure,
} from "./convert.ts";
import { createMerge } from "./merge.ts";
import { toTurnRequest } from "./turn-request.ts";
import { untilAborted } from "./until-aborted.ts";
import { validateChatRequest } from "./validate.ts";

/** What the chat streams need to know. */
export type ChatStreamOptions = {
  engine: Engine;
  messageBytesMax: number;
  heartbeatMs: number;
  now: () => number;
  /** Aborts once the server has ended every turn and takes no more requests; its reason ends the streams. */
  stopping: AbortSignal;
};

/**
 * The bidirectional stream: messages, pings, typing and cancels interleave, and so do the replies. A bad
 * message is answered by an ERROR event and the stream goes on. It ends when the client has half-closed
 * and its turns have ended; when the server stops, with `stopping`'s reason after its turns' ends.
 */
export async function* chat(
  options: ChatStreamOptions,
  requests: AsyncIterable<ChatRequest>,
  context: HandlerContext,
): AsyncIterable<ChatResponseInit> {
  const totals = createChatTotals(context.responseTrailer);
  const merge = createResponseMerge(options, context.signal);
  const follow = (turn: StartedTurn) => merge.add(turnResponses(options, turn, totals));
  let stopped = false;
  const untilStopping = untilSignal(requests, options.stopping, () => {
    stopped = true;
  });
  merge.add(answerRequests(options, untilStopping, context, follow));

  let first = true;
  for await (const response of merge) {
    if (first) setStreamHeaders(context, options, response);
    first = false;
    yield response;
  }
  if (stopped) throw options.stopping.reason;
}

/** One turn, streamed. A turn that fails ends with its recorded ERROR event and then with the status. */
export async function* streamChat(
  options: ChatStreamOptions,
  request: ChatRequest,
  context: HandlerContext,
): AsyncIterable<ChatResponseInit> {
  const turn = await startTurn(options, request, context);
  setStreamHeaders(context, options, { sessionId: turn.sessionId, model: turn.model });
  const totals = createChatTotals(context.responseTrailer);
  const merge = createResponseMerge(options, context.signal);
  merge.add(turnResponses(options, turn, totals, { failWithTurn: true }));
  yield* merge;
}

/** Responses of several sources; silence is filled with unrecorded HEARTBEATs (DESIGN section 2, rule 13). */
function createResponseMerge(options: ChatStreamOptions, signal: AbortSignal) {
  return createMerge<ChatResponseInit>({
    signal,
    silenceMs: options.heartbeatMs,
    onSilence: () => ({
      type: ChatResponse_Type.HEARTBEAT,
      timestamp: toTimestamp(options.now()),
    }),
  });
}

/** Validates and starts a turn for a call; refusals count as failed requests. */
export async function startTurn(
  options: ChatStreamOptions,
  request: ChatRequest,
  context: HandlerContext,
  { opensSession = true } = {},
): Promise<StartedTurn> {
  const { engine, messageBytesMax } = options;
  try {
    if (!opensSession) requireSessionId(request.sessionId);
    validateChatRequest(request, messageBytesMax);
    return await engine.startTurn(principalOf(context), toTurnRequest(request), context.signal);
  } catch (error) {
    engine.countRefused();
    throw error;
  }
}

/** The source's values until it ends, or until the signal aborts, of which `onAbort` is told. */
async function* untilSignal<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal,
  onAbort: () => void,
): AsyncIterable<T> {
  try {
    yield* untilAborted(source, signal);
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
    onAbort();
  }
}

/** Answers each request in turn; what a MESSAGE starts is followed beside it. */
async function* answerRequests(
  options: ChatStreamOptions,
  requests: AsyncIterable<ChatRequest>,
  context: HandlerContext,
  follow: (turn: StartedTurn) => void,
): AsyncIterable<ChatResponseInit> {
  let usedLast = "";
  for await (const request of requests) {
    const sessionId = request.sessionId || usedLast;
    try {
      const answer = await answerRequest(options, { ...request, sessionId }, context, follow);
      usedLast = sessionId;
      if (answer) yield answer;
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      const { requestId } = request;
      yield toErrorEvent(error, { sessionId, requestId, now: options.now() });
    }
  }
}

async function answerRequest(
  options: ChatStreamOptions,
  request: ChatRequest,
  context: HandlerContext,
  follow: (turn: StartedTurn) => void,
): Promise<ChatResponseInit | undefined> {
  const { engine, now } = options;
  const principal = principalOf(context);
  const { sessionId } = request;
  switch (request.type) {
    case ChatRequest_Type.PING:
      validateChatRequest(request, options.messageBytesMax);
      return {
        type: ChatResponse_Type.PONG,
        sessionId,
        requestId: request.requestId,
        timestamp: toTimestamp(now()),
      };
    case ChatRequest_Type.TYPING_START:
    case ChatRequest_Type.TYPING_STOP:
      validateChatRequest(request, options.messageBytesMax);
      await engine.getSession(principal, requireSessionId(sessionId));
      return undefined;
    case ChatRequest_Type.CANCEL:
      validateChatRequest(request, options.messageBytesMax);
      await engine.cancelTurn(principal, requireSessionId(sessionId), request.turnId);
      return undefined;
    default:
      follow(await startTurn(options, request, context, { opensSession: false }));
      return undefined;
  }
}

/** On a Chat stream only SendMessage's and StreamChat's rule to open a session does not hold (DESIGN section 1). */
function requireSessionId(sessionId: string): string {
  if (sessionId !== "") return sessionId;
  const field = "session_id";
  const description = "name a session; this stream has not used one yet";
  throw invalidArgument([{ field, description }], "SESSION_REQUIRED");
}

/** A turn's events; when its log fails, an unrecorded ERROR and then that error. */
async function* turnResponses(
  options: ChatStreamOptions,
  turn: StartedTurn,
  totals: { add(event: Parameters<typeof toChatResponse>[1]): void },
  { failWithTurn = false } = {},
): AsyncIterable<ChatResponseInit> {
  const { sessionId, turnId } = turn;
  try {
    for await (const event of turn.events()) {
      totals.add(event);
      yield toChatResponse(sessionId, event);
      const failure = failWithTurn && event.type === "end" ? turnFailure(event) : undefined;
      if (failure) throw new TurnFailed(failure);
    }
  } catch (error) {
    if (error instanceof TurnFailed) throw error.failure;
    if (error instanceof ChatError) {
      yield toErrorEvent(error, { sessionId, turnId, now: options.now() });
    }
    throw error;
  }
}

/** Marks the failure that is already told by the turn's recorded end. */
class TurnFailed extends Error {
  readonly failure: ChatError;
  constructor(failure: ChatError) {
    super(failure.message);
    this.failure = failure;
  }
}

/** Headers leave with the stream's first response (DESIGN section 1). */
function setStreamHeaders(
  context: HandlerContext,
  options: ChatStreamOptions,
  first: Pick<ChatResponseInit, "sessionId" | "model">,
): void {
  const header = context.responseHeader;
  if (first.sessionId) header.set("chat-session-id", first.sessionId);
  if (first.model) header.set("chat-model", first.model);
  header.set("chat-heartbeat-ms", String(options.heartbeatMs));
  header.set("x-accel-buffering", "no");
}
