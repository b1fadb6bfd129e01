import type { HandlerContext } from "@connectrpc/connect";
import type { Engine, StartedTurn } from "../chat/engine.ts";
import { ChatError, invalidArgument } from "../chat/errors.ts";
import { createMerge, type Merge } from "../chat/merge.ts";
import type { SessionReader } from "../chat/session-reader.ts";
import { whenAborted } from "../chat/when-aborted.ts";
import { type ChatRequest, ChatRequest_Type, ChatResponse_Type } from "../gen/chat/chat_pb.ts";
import { callOf } from "./call.ts";
import { noteTurn, traceOf } from "./call-facts.ts";
import { callerOf, principalOf } from "./caller.ts";
import { type ChatTotals, createChatTotals } from "./chat-totals.ts";
import {
  type ChatResponseInit,
  toChatResponse,
  toErrorEvent,
  toLiveUpdate,
  toTimestamp,
  turnFailure,
} from "./convert.ts";
import { createLateStream, type LateStream } from "./late-stream.ts";
import { toTurnRequest } from "./turn-request.ts";
import { isSessionGone, unlessDeleted } from "./unless-deleted.ts";
import { untilAborted } from "./until-aborted.ts";
import { validateChatRequest } from "./validate.ts";

/** What the chat streams need to know. */
export type ChatStreamOptions = {
  engine: Engine;
  messageBytesMax: number;
  heartbeatMs: number;
  /** Whether a native gRPC client's reset cancels its turns (TRUST_STREAM_RESET). */
  trustStreamReset: boolean;
  now: () => number;
  /** Throws ChatError SERVER_BUSY where the server takes no new streams; a resume is not asked. */
  admitStream: () => void;
  /** Aborts once the server has ended every turn and takes no more requests; its reason ends the streams. */
  stopping: AbortSignal;
};

/**
 * The bidirectional stream: messages, pings, typing and cancels interleave, and so do the replies. A bad
 * message is answered by an ERROR event and the stream goes on. It ends when the client has half-closed
 * and its turns have ended; NOT_FOUND when the last of its sessions is deleted; when the server stops, with
 * `stopping`'s reason after its turns' ends.
 */
export async function* chat(
  options: ChatStreamOptions,
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

/** One turn, streamed. A turn that fails ends with its recorded ERROR event and then with the status. */
export async function* streamChat(
  options: ChatStreamOptions,
  request: ChatRequest,
  context: HandlerContext,
): AsyncIterable<ChatResponseInit> {
  const turn = await startTurn(options, request, context);
  setStreamHeaders(context, options, turn);
  const totals = createChatTotals(context.responseTrailer);
  const reader = readTurn(options, turn, context);
  const merge = mergeResponses(options, context.signal);
  merge.add(turnResponses(options, turn, reader, totals));
  merge.addBackground(drainNotices(options, () => [turn.sessionId], context.signal));
  yield* merge;
  const failure = totals.failure() ?? turnFailure(turn.turnId, turn.toldEnd);
  if (failure) throw failure;
}

/** A reader of one turn, and of what else happens in its session until then. */
export function readTurn(
  options: ChatStreamOptions,
  turn: StartedTurn,
  context: HandlerContext,
): SessionReader {
  const reader = readerOf(options, turn.sessionId, context);
  options.engine.follow(reader, turn);
  reader.finish();
  return reader;
}

function readerOf(
  { engine }: ChatStreamOptions,
  sessionId: string,
  context: HandlerContext,
): SessionReader {
  return engine.readSession(principalOf(context), sessionId, context.signal);
}

/** Responses of several sources; silence is filled with unrecorded HEARTBEATs (DESIGN section 2, rule 13). */
export function mergeResponses(
  { heartbeatMs, now }: ChatStreamOptions,
  signal: AbortSignal,
): Merge<ChatResponseInit> {
  const heartbeat = () => ({ type: ChatResponse_Type.HEARTBEAT, timestamp: toTimestamp(now()) });
  return createMerge<ChatResponseInit>({ signal, silence: { ms: heartbeatMs, value: heartbeat } });
}

/** Validates and starts a turn for a call; refusals count as failed requests. */
export async function startTurn(
  options: ChatStreamOptions,
  request: ChatRequest,
  context: HandlerContext,
  {
    opensSession = true,
    onTurn = () => undefined,
  }: { opensSession?: boolean; onTurn?: (turn: StartedTurn) => void } = {},
): Promise<StartedTurn> {
  const { engine, messageBytesMax, trustStreamReset } = options;
  try {
    if (!opensSession) requireSessionId(request.sessionId);
    validateChatRequest(request, messageBytesMax);
    const call = callOf(context, trustStreamReset);
    const asked = { ...toTurnRequest(request), ...traceOf(context) };
    const turn = await engine.startTurn(callerOf(context), asked, call, onTurn);
    noteTurn(context, turn);
    return turn;
  } catch (error) {
    engine.countRefused(principalOf(context), error);
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

/** Where the answers of a Chat stream go. */
type Replies = {
  merge: Merge<ChatResponseInit>;
  follow: (turn: StartedTurn) => void;
  onHalfClose: () => void;
  late: LateStream;
};

/** Answers each request in turn; what a MESSAGE starts is followed beside it. */
async function* answerRequests(
  options: ChatStreamOptions,
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
  options: ChatStreamOptions,
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
  options: ChatStreamOptions,
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

/** On a Chat stream a message without a session opens none (DESIGN section 1). */
function requireSessionId(sessionId: string): string {
  if (sessionId !== "") return sessionId;
  const field = "session_id";
  const description = "name a session; this stream has not used one yet";
  throw invalidArgument([{ field, description }], "SESSION_REQUIRED");
}

/**
 * What a reader gets, as responses. When the session's log fails, an unrecorded ERROR and then that error; a
 * deletion has told itself by `session_deleted`.
 */
async function* turnResponses(
  options: ChatStreamOptions,
  { sessionId, turnId, epoch }: StartedTurn,
  reader: SessionReader,
  totals: ChatTotals,
): AsyncIterable<ChatResponseInit> {
  try {
    for await (const event of reader) {
      totals.add(event);
      yield toChatResponse(sessionId, epoch, event);
    }
  } catch (error) {
    if (error instanceof ChatError && !isSessionGone(error)) {
      yield toErrorEvent(error, { sessionId, turnId, now: options.now() });
    }
    throw error;
  }
}

/** Says that the server drains, as soon as it does, for each session that the stream reads. */
async function* drainNotices(
  { engine, now }: ChatStreamOptions,
  sessionIds: () => string[],
  signal: AbortSignal,
): AsyncIterable<ChatResponseInit> {
  if (!(await whenAborted(engine.drainBegan, signal))) return;
  const read = sessionIds();
  for (const sessionId of read.length > 0 ? read : [""]) {
    const last_sequence = sessionId === "" ? 0 : await engine.lastSequence(sessionId);
    const update = { type: "live_update", updateType: "draining" } as const;
    yield toLiveUpdate({ ...update, sessionId, data: { last_sequence } }, now());
  }
}

/** Headers leave with the stream's first response (DESIGN section 1). */
export function setStreamHeaders(
  context: HandlerContext,
  options: ChatStreamOptions,
  first: Pick<ChatResponseInit, "sessionId" | "model">,
): void {
  const header = context.responseHeader;
  // What a client names may be no session's id, and no header's text.
  if (first.sessionId && headerText.test(first.sessionId)) {
    header.set("chat-session-id", first.sessionId);
  }
  if (first.model) header.set("chat-model", first.model);
  header.set("chat-heartbeat-ms", String(options.heartbeatMs));
}

/** Visible ASCII (RFC 9110 section 5.5), which every id of ours is. */
const headerText = /^[\x21-\x7e]+$/;
