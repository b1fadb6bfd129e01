import { ConnectError } from "@connectrpc/connect";
import { type ChatRequest, type ChatResponse, ChatService } from "../gen/chat/chat_pb.ts";
import { type Next, runAttempt } from "./attempt.ts";
import type { OnConnection } from "./connection.ts";
import type { ClientContext } from "./context.ts";
import { createSequenceTracker } from "./cursor.ts";
import type { Endpoint } from "./endpoints.ts";
import { endedEarly, eventMissing, eventsLost } from "./errors.ts";
import { leaveDraining } from "./follow.ts";
import type { Retry } from "./retry.ts";
import type { HeaderFields } from "./token.ts";
import { leavesDoubt } from "./turn-error.ts";
import { createTurnSummary, isTurnEnd, type TurnResult } from "./turn-result.ts";
import { readUpdate } from "./updates.ts";

/** What is known of a turn, and the attempts at hearing all of it. */
export type TurnStream = {
  /** Empty until it is learnt. */
  sessionId(): string;
  /** Empty until it is learnt. */
  turnId(): string;
  /** Undefined before the turn's end. */
  result(): TurnResult | undefined;
  /** Whether an attempt was made that leaves open whether the turn began. */
  isDoubtful(): boolean;
  /** Sends the request once more, and reads on after what was heard. Resolves when the end was heard. */
  attempt(endpoint: Endpoint, retry: Retry): Promise<void>;
};

export type TurnStreamOptions = {
  signal: AbortSignal;
  headers: HeaderFields | undefined;
  onConnection: OnConnection | undefined;
  /** Takes the turn's events, one after another. */
  deliver(event: ChatResponse): Promise<void>;
  /** Something was learnt: an id, or that an attempt is open. */
  onNews(): void;
};

/** Attempts in a row that may leave out the same event. */
const missingMax = 3;

export function createTurnStream(
  context: ClientContext,
  request: ChatRequest,
  { signal, headers, onConnection, deliver, onNews }: TurnStreamOptions,
): TurnStream {
  const start = { sequence: request.afterSequence, epoch: request.afterEpoch };
  const tracker = createSequenceTracker(start, { dense: false });
  const summary = createTurnSummary();
  let { sessionId } = request;
  let turnId = "";
  let header = new Headers();
  let trailer: Headers | undefined;
  let missing = 0;
  let doubtful = false;

  const result = () => summary.result(request.requestId, header, trailer);

  async function attempt(endpoint: Endpoint, retry: Retry): Promise<void> {
    const { sequence: afterSequence, epoch: afterEpoch } = tracker.cursor();
    const doubtedBefore = doubtful;
    let heard = false;
    doubtful = true;
    try {
      await runAttempt(context, endpoint, {
        method: ChatService.method.streamChat,
        // With the session that was learnt: a server that has lost it refuses, where it would open another.
        request: { ...request, sessionId, afterSequence, afterEpoch },
        headers,
        signal,
        retry,
        onHeader: learnHeader,
        onTrailer: (latest) => {
          trailer = latest;
        },
        onEvent(event) {
          if (!heard) onConnection?.({ state: "live", endpoint: endpoint.name });
          heard = true;
          return takeEvent(event, endpoint, retry);
        },
      });
      if (result() === undefined) throw endedEarly();
    } catch (error) {
      tracker.lost();
      const failure = ConnectError.from(error);
      doubtful = doubtedBefore || leavesDoubt(failure);
      if (result() === undefined) throw failure;
      // The status of a failed turn only repeats its end; the trailers come with it.
      if (failure.isWireError) trailer = failure.metadata;
    }
  }

  function learnHeader(latest: Headers): void {
    header = latest;
    trailer = undefined;
    sessionId ||= latest.get("chat-session-id") ?? "";
    onNews();
  }

  async function takeEvent(event: ChatResponse, endpoint: Endpoint, retry: Retry): Promise<Next> {
    if (result() !== undefined) return "leave";
    sessionId ||= event.sessionId;
    // The draining server ends the turn itself, wherever its readers are: there is nothing to move for.
    if (readUpdate(event, "draining")) leaveDraining(context, endpoint, onConnection, false);
    if (event.sequence === 0n) return "read on";
    const verdict = tracker.take(event);
    if (verdict.kind === "epoch") throw eventsLost("the session's epoch has changed");
    if (verdict.kind === "missing") throw missingEvent(verdict.expected, event.sequence);
    for (const { event: placed } of verdict.placed) {
      missing = 0;
      retry.progress();
      await take(placed);
    }
    return result() === undefined ? "read on" : "ending";
  }

  async function take(event: ChatResponse): Promise<void> {
    if (turnId === "" && event.turnId !== "") {
      turnId = event.turnId;
      onNews();
    }
    if (event.turnId === turnId || !isTurnEnd(event)) summary.add(event);
    await deliver(event);
  }

  function missingEvent(expected: bigint, got: bigint): ConnectError {
    missing += 1;
    const message = `the server leaves out event ${expected}`;
    return missing < missingMax ? eventMissing(expected, got) : eventsLost(message);
  }

  return {
    sessionId: () => sessionId,
    turnId: () => turnId,
    result,
    isDoubtful: () => doubtful,
    attempt,
  };
}
