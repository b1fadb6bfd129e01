import type { HandlerContext } from "@connectrpc/connect";
import type { Engine, StartedTurn } from "../chat/engine.ts";
import { ChatError } from "../chat/errors.ts";
import { createMerge, type Merge } from "../chat/merge.ts";
import type { SessionReader } from "../chat/session-reader.ts";
import { whenAborted } from "../chat/when-aborted.ts";
import { type ChatRequest, ChatResponse_Type } from "../gen/chat/chat_pb.ts";
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
import { requireSessionId, toTurnRequest } from "./turn-request.ts";
import { isSessionGone, tellsDeletion, toDeletion } from "./unless-deleted.ts";
import { validateChatRequest } from "./validate.ts";

/** What the streams of turns and of sessions need to know. */
export type StreamOptions = {
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

/** One turn, streamed. A turn that fails ends with its recorded ERROR event and then with the status. */
export async function* streamChat(
  options: StreamOptions,
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
  options: StreamOptions,
  turn: StartedTurn,
  context: HandlerContext,
): SessionReader {
  const reader = readerOf(options, turn.sessionId, context);
  options.engine.follow(reader, turn);
  reader.finish();
  return reader;
}

export function readerOf(
  { engine }: StreamOptions,
  sessionId: string,
  context: HandlerContext,
): SessionReader {
  return engine.readSession(principalOf(context), sessionId, context.signal);
}

/** Responses of several sources; silence is filled with unrecorded HEARTBEATs (DESIGN section 2, rule 13). */
export function mergeResponses(
  { heartbeatMs, now }: StreamOptions,
  signal: AbortSignal,
): Merge<ChatResponseInit> {
  const heartbeat = () => ({ type: ChatResponse_Type.HEARTBEAT, timestamp: toTimestamp(now()) });
  return createMerge<ChatResponseInit>({ signal, silence: { ms: heartbeatMs, value: heartbeat } });
}

/** Validates and starts a turn for a call; refusals count as failed requests. */
export async function startTurn(
  options: StreamOptions,
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

/**
 * What a reader gets, as responses. When the session's log fails, an unrecorded ERROR and then that error; when the
 * session is deleted `session_deleted`, unrecorded for a reader that had not come to it in the log.
 */
export async function* turnResponses(
  options: StreamOptions,
  { sessionId, turnId, epoch }: StartedTurn,
  reader: SessionReader,
  totals: ChatTotals,
): AsyncIterable<ChatResponseInit> {
  let isToldDeleted = false;
  try {
    for await (const event of reader) {
      totals.add(event);
      isToldDeleted ||= tellsDeletion(event, sessionId);
      yield toChatResponse(sessionId, epoch, event);
    }
  } catch (error) {
    const now = options.now();
    if (!isSessionGone(error)) {
      if (error instanceof ChatError) yield toErrorEvent(error, { sessionId, turnId, now });
    } else if (!isToldDeleted) {
      yield toDeletion(sessionId, now);
    }
    throw error;
  }
}

/** Says that the server drains, as soon as it does, for each session that the stream reads. */
export async function* drainNotices(
  { engine, now }: StreamOptions,
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
  options: StreamOptions,
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
