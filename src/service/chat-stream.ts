import type { HandlerContext } from "@connectrpc/connect";
import type { StartedTurn } from "../chat/engine.ts";
import { ChatError } from "../chat/errors.ts";
import type { Merge } from "../chat/merge.ts";
import type { SessionReader } from "../chat/session-reader.ts";
import { type ChatRequest, ChatRequest_Type, ChatResponse_Type } from "../gen/chat/chat_pb.ts";
import { principalOf } from "./caller.ts";
import { createChatTotals } from "./chat-totals.ts";
import { type ChatResponseInit, toErrorEvent, toTimestamp } from "./convert.ts";
import { createLateStream, type LateStream } from "./late-stream.ts";
import { requireSessionId } from "./turn-request.ts";
import {
  drainNotices,
  mergeResponses,
  readerOf,
  type StreamOptions,
  setStreamHeaders,
  startTurn,
  turnResponses,
} from "./turn-stream.ts";
import { unlessDeleted } from "./unless-deleted.ts";
import { untilAborted } from "./until-aborted.ts";
import { validateChatRequest } from "./validate.ts";

/**
 * The bidirectional stream: messages, pings, typing and cancels interleave, and so do the replies. A bad
 * message is answered by an ERROR event and the stream goes on. It ends when the client has half-closed
 * and its turns have ended; NOT_FOUND when the last of its sessions is deleted; when the server stops, with
 * `stopping`'s reason after its turns' ends.
 */
export async function* chat(
  options: StreamOptions,
  requests: AsyncIterable<ChatRequest>,
  context: HandlerContext,
): AsyncIterable<ChatResponseInit> {
  const totals = createChatTotals(context.responseTrailer);
  const merge = mergeResponses(options, context.signal);
  const readers = new Map<string, SessionReader>();
  let model = "";
  const follow = (turn: StartedTurn) => {
    ({ model } = turn);
    const known = readers.get(turn.sessionId);
    const reader = known ?? readerOf(options, turn.sessionId, context);
    options.engine.follow(reader, turn);
    if (known) return;
    readers.set(turn.sessionId, reader);
    const hasOthers = () => readers.delete(turn.sessionId) && readers.size > 0;
    merge.add(unlessDeleted(turnResponses(options, turn, reader, totals), hasOthers));
  };
  const onHalfClose = () => {
    for (const reader of readers.values()) reader.finish();
  };
  let stopped = false;
  const late = createLateStream(options.admitStream);
  const untilStopping = untilSignal(late.requests(requests), options.stopping, () => {
    stopped = true;
  });
  const replies = { merge, follow, onHalfClose, late };
  merge.add(answerRequests(options, untilStopping, context, replies));
  merge.addBackground(drainNotices(options, () => [...readers.keys()], context.signal));

  let first = true;
  for await (const response of merge) {
    const { sessionId = "" } = response;
    if (first) setStreamHeaders(context, options, { sessionId, model: response.model || model });
    first = false;
    yield response;
  }
  if (stopped) throw options.stopping.reason;
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

/** Where the answers of a Chat stream go. */
type Replies = {
  merge: Merge<ChatResponseInit>;
  follow: (turn: StartedTurn) => void;
  onHalfClose: () => void;
  late: LateStream;
};

/** Answers each request in turn; what a MESSAGE starts is followed beside it. */
async function* answerRequests(
  options: StreamOptions,
  requests: AsyncIterable<ChatRequest>,
  context: HandlerContext,
  { merge, follow, onHalfClose, late }: Replies,
): AsyncIterable<ChatResponseInit> {
  let usedLast = "";
  for await (const sent of requests) {
    const sessionId = sent.sessionId || usedLast;
    const request = { ...sent, sessionId };
    try {
      if (request.type === ChatRequest_Type.CANCEL) {
        // Beside the others: its answer waits for the turn's end, and a PING's must not.
        merge.add(cancelTurn(options, request, context));
      } else {
        if (!asksForTurn(request)) late.refuseNew();
        const answer = await answerRequest(options, request, context, follow);
        if (asksForTurn(request)) late.accept();
        if (request.type !== ChatRequest_Type.PING) usedLast = sessionId;
        if (answer) yield answer;
      }
    } catch (error) {
      if (!(error instanceof ChatError) || late.isLate()) throw error;
      const { requestId } = request;
      yield toErrorEvent(error, { sessionId, requestId, now: options.now() });
    }
  }
  onHalfClose();
}

/** A turn, or one that was asked for before; the engine tells which, and refuses the new one. */
function asksForTurn({ type }: ChatRequest): boolean {
  return !withoutTurn.has(type);
}

const withoutTurn: ReadonlySet<ChatRequest_Type> = new Set([
  ChatRequest_Type.PING,
  ChatRequest_Type.TYPING_START,
  ChatRequest_Type.TYPING_STOP,
]);

async function answerRequest(
  options: StreamOptions,
  request: ChatRequest,
  context: HandlerContext,
  follow: (turn: StartedTurn) => void,
): Promise<ChatResponseInit | undefined> {
  const { engine, now } = options;
  const principal = principalOf(context);
  const { sessionId, requestId } = request;
  switch (request.type) {
    case ChatRequest_Type.PING: {
      validateChatRequest(request, options.messageBytesMax);
      const timestamp = toTimestamp(now());
      return { type: ChatResponse_Type.PONG, sessionId, requestId, timestamp };
    }
    case ChatRequest_Type.TYPING_START:
    case ChatRequest_Type.TYPING_STOP: {
      validateChatRequest(request, options.messageBytesMax);
      const isTyping = request.type === ChatRequest_Type.TYPING_START;
      await engine.tellTyping(principal, requireSessionId(sessionId), isTyping);
      return undefined;
    }
    default:
      await startTurn(options, request, context, { opensSession: false, onTurn: follow });
      return undefined;
  }
}

/** Cancels the turn that is named, or whichever runs; only a refusal is answered, the rest is the turn's end. */
async function* cancelTurn(
  options: StreamOptions,
  request: ChatRequest,
  context: HandlerContext,
): AsyncIterable<ChatResponseInit> {
  const { sessionId, turnId, requestId } = request;
  try {
    validateChatRequest(request, options.messageBytesMax);
    const principal = principalOf(context);
    const asked = { sessionId: requireSessionId(sessionId), turnId, requestId };
    const named = await options.engine.cancelTurn(principal, asked);
    // A request_id that is no turn's is the client's own name for this message.
    const isOwn = named.turnId === "" && requestId !== "";
    if (isOwn) await options.engine.cancelTurn(principal, { ...asked, requestId: "" });
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    yield toErrorEvent(error, { sessionId, requestId, now: options.now() });
  }
}
