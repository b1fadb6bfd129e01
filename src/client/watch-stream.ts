import { Code, ConnectError } from "@connectrpc/connect";
import { type ChatResponse, ChatService } from "../gen/chat/chat_pb.ts";
import { type Next, runAttempt } from "./attempt.ts";
import type { OnConnection } from "./connection.ts";
import type { ClientContext } from "./context.ts";
import { type Cursor, createSequenceTracker, type Placed } from "./cursor.ts";
import type { Endpoint } from "./endpoints.ts";
import { classifyError, endedEarly, errorReason, eventMissing, eventsLost } from "./errors.ts";
import { leaveDraining } from "./follow.ts";
import type { Retry } from "./retry.ts";
import type { ReloadReason, SessionItem } from "./session-item.ts";
import type { HeaderFields } from "./token.ts";
import { callUnary } from "./unary.ts";
import { isKeepAlive, readUpdate } from "./updates.ts";

/** The attempts at hearing everything that happens in a session. */
export type WatchStream = {
  /** Watches once, from where the attempt before came to; a reload that is due comes first. */
  attempt(endpoint: Endpoint, retry: Retry): Promise<"done" | "move">;
  /** Judges a failed attempt: the error to back off by, or undefined where a reload is due at once. */
  onFailure(error: ConnectError): ConnectError | undefined;
  /** Whether the deletion of the session was delivered. */
  isDeleted(): boolean;
};

export type WatchStreamOptions = {
  start: Cursor;
  untilIdle: boolean;
  sessionList: boolean;
  reloadPageSize: number;
  signal: AbortSignal;
  headers: HeaderFields | undefined;
  onConnection: OnConnection | undefined;
  onHeader(header: Headers): void;
  onTrailer(trailer: Headers): void;
  /** Takes an item, and where the consumer is once it has it. */
  push(item: SessionItem, cursor: Cursor, characters: number): Promise<void>;
};

/** A server that leaves out the same event so often is not asked for it again. */
const missingMax = 3;

export function createWatchStream(
  context: ClientContext,
  sessionId: string,
  options: WatchStreamOptions,
): WatchStream {
  const { untilIdle, sessionList, signal, headers, onConnection, push } = options;
  const tracker = createSequenceTracker(options.start, { dense: true });
  let reload: ReloadReason | undefined;
  let reloaded = false;
  let missing = 0;
  let deleted = false;

  async function attempt(endpoint: Endpoint, retry: Retry): Promise<"done" | "move"> {
    if (reload !== undefined) await deliverReload(reload);
    const { sequence: afterSequence, epoch: afterEpoch } = tracker.cursor();
    let moves = false;
    try {
      await runAttempt(context, endpoint, {
        method: ChatService.method.watchSession,
        request: { sessionId, afterSequence, afterEpoch, untilIdle, sessionList },
        headers,
        signal,
        retry,
        onHeader: options.onHeader,
        onTrailer: options.onTrailer,
        async onEvent(event): Promise<Next> {
          if (event.sequence > 0n) await takeRecorded(event, retry);
          else if (readUpdate(event, "draining")) {
            moves = leaveDraining(context, endpoint, onConnection, true);
          } else await takeUnrecorded(event, endpoint);
          return moves || reload !== undefined ? "leave" : "read on";
        },
      });
      if (reload !== undefined) throw eventsLost("the messages must be reloaded");
      if (moves) return "move";
      if (!untilIdle) throw endedEarly();
      await deliver(tracker.flush());
      return "done";
    } finally {
      tracker.lost();
    }
  }

  async function takeRecorded(event: ChatResponse, retry: Retry): Promise<void> {
    const verdict = tracker.take(event);
    if (verdict.kind === "epoch") {
      reload = "epoch";
    } else if (verdict.kind === "missing") {
      missing += 1;
      if (missing < missingMax) throw eventMissing(verdict.expected, event.sequence);
      reload = "missing";
    } else if (verdict.placed.length > 0) {
      retry.progress();
      missing = 0;
      reloaded = false;
      await deliver(verdict.placed);
    }
  }

  async function takeUnrecorded(event: ChatResponse, endpoint: Endpoint): Promise<void> {
    if (isKeepAlive(event)) return;
    const watching = readUpdate(event, "watching");
    if (watching !== undefined) {
      const { sequence, epoch } = tracker.cursor();
      if (epoch !== 0 && watching.epoch !== 0 && watching.epoch !== epoch) reload = "epoch";
      else if (watching.lastSequence < sequence) reload = "ahead";
      else tracker.reset({ sequence, epoch: watching.epoch || epoch });
    } else if (readUpdate(event, "live")) {
      onConnection?.({ state: "live", endpoint: endpoint.name });
      await deliver(tracker.flush());
      await push({ type: "live" }, tracker.cursor(), 0);
    } else {
      await deliver([{ event, cursor: tracker.cursor() }]);
    }
  }

  async function deliver(placed: readonly Placed[]): Promise<void> {
    for (const { event, cursor } of placed) {
      deleted ||= event.updateType === "session_deleted" && event.sessionId === sessionId;
      await push({ type: "event", event }, cursor, charactersOf(event));
    }
  }

  /** A failed ListMessages is a failed attempt, so it is not tried again within itself. */
  async function deliverReload(reason: ReloadReason): Promise<void> {
    const { lastSequence, epoch, messages, nextPageToken } = await callUnary(
      context,
      ChatService.method.listMessages,
      { sessionId, newestFirst: true, pageSize: options.reloadPageSize },
      { signal, ...(headers && { headers }) },
      { repeatable: false },
    );
    const cursor = { sequence: lastSequence, epoch };
    tracker.reset(cursor);
    reload = undefined;
    reloaded = true;
    missing = 0;
    const characters = messages.reduce((sum, { text }) => sum + text.length, 0);
    await push({ type: "reload", reason, ...cursor, messages, nextPageToken }, cursor, characters);
  }

  return {
    attempt,
    onFailure(error) {
      if (classifyError(error) !== "reload") return error;
      reload ??= reloadReasonOf(error);
      // The first is at once; a server that refuses what its own ListMessages gave is given time.
      return reloaded ? new ConnectError(error.rawMessage, Code.Unavailable) : undefined;
    },
    isDeleted: () => deleted,
  };
}

function reloadReasonOf(error: ConnectError): ReloadReason {
  if (error.code === Code.OutOfRange) return "ahead";
  return errorReason(error) === "EVENTS_EXPIRED" ? "expired" : "epoch";
}

function charactersOf(event: ChatResponse): number {
  const { chunkText, updateData, userMessage } = event;
  return chunkText.length + updateData.length + (userMessage?.text.length ?? 0);
}
