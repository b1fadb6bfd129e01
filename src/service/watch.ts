import type { HandlerContext } from "@connectrpc/connect";
import { ChatError } from "../chat/errors.ts";
import type { WatchRequest } from "../chat/watch-session.ts";
import type { WatchSessionRequest } from "../gen/chat/chat_pb.ts";
import { callOf } from "./call.ts";
import { noteSession } from "./call-facts.ts";
import { callerOf } from "./caller.ts";
import { type ChatResponseInit, toChatResponse, toErrorEvent, toLiveUpdate } from "./convert.ts";
import { mergeResponses, type StreamOptions, setStreamHeaders } from "./turn-stream.ts";
import { isSessionGone, tellsDeletion, toDeletion } from "./unless-deleted.ts";
import { validateWatch } from "./validate.ts";

/** Everything that happens in a session, or to the caller's sessions; silence is filled with HEARTBEATs. */
export async function* watch(
  options: StreamOptions,
  request: WatchSessionRequest,
  context: HandlerContext,
): AsyncIterable<ChatResponseInit> {
  validateWatch(request);
  const { sessionId, afterEpoch, untilIdle, sessionList } = request;
  noteSession(context, sessionId);
  const afterSequence = Number(request.afterSequence);
  if (afterSequence === 0) options.admitStream();
  const asked = { sessionId, afterSequence, afterEpoch, untilIdle, sessionList };
  setStreamHeaders(context, options, { sessionId });
  const merge = mergeResponses(options, context.signal);
  merge.add(watched(options, asked, context));
  yield* merge;
}

async function* watched(
  { engine, heartbeatMs, trustStreamReset, now }: StreamOptions,
  request: WatchRequest,
  context: HandlerContext,
): AsyncIterable<ChatResponseInit> {
  const { sessionId } = request;
  const call = callOf(context, trustStreamReset);
  let epoch = 1;
  let isWatching = false;
  let isToldDeleted = false;
  try {
    for await (const item of engine.watchSession(callerOf(context), request, call)) {
      isWatching = true;
      isToldDeleted ||= tellsDeletion(item, sessionId);
      if (item.type !== "live_update") {
        yield toChatResponse(sessionId, epoch, item);
      } else if (item.updateType === "watching") {
        epoch = Number(item.data.epoch ?? 1);
        yield toLiveUpdate({ ...item, data: { ...item.data, heartbeat_ms: heartbeatMs } }, now());
      } else {
        yield toLiveUpdate(item, now());
      }
    }
  } catch (error) {
    // Readers are told of a failed append in the stream, too (DESIGN section 2, rule 2).
    if (error instanceof ChatError && error.reason === "STORAGE_UNAVAILABLE") {
      yield toErrorEvent(error, { sessionId, now: now() });
    }
    if (isWatching && isSessionGone(error) && !isToldDeleted) yield toDeletion(sessionId, now());
    throw error;
  }
}
