import {
  type ChatResponse,
  ChatResponse_Type as EventType,
  FinishReason,
} from "../../../src/gen/chat/chat_pb.ts";
import type { Listing, SessionView } from "./session-view.ts";

/**
 * What a listing leaves out: how the latest turn ended where it left no reply, and how long the latest reply
 * took. Both are in the session's events between its latest reply's end and the listing.
 */
export type LatestEnd = {
  /** Watch from here, to be told again of these events. */
  readonly from: bigint;
  /** The last of them: that of the listing. */
  readonly to: bigint;
  /** The sequence of the latest reply's last event; 0 where there is none. */
  readonly replySequence: bigint;
};

/** How many events are told again at most: after that many, why there is no reply is no news. */
const eventsMax = 100n;

/** Where to begin to watch a session that was listed. */
export function latestEndOf({
  messages,
  sequence,
}: Pick<Listing, "messages" | "sequence">): LatestEnd {
  // A restored log may end before what its messages remember.
  const known = messages.map((message) => message.sequence).filter((each) => each <= sequence);
  const replySequence = largest(known);
  const from = largest([replySequence - 1n, sequence - eventsMax]);
  return { from, to: sequence, replySequence };
}

/** The largest of them; no less than 0. */
function largest(sequences: readonly bigint[]): bigint {
  return sequences.toSorted((a, b) => Number(a - b)).findLast((each) => each > 0n) ?? 0n;
}

/** The view of the listing with what its events tell of the latest turn. `events`: those up to the listing. */
export function withLatestEnd(
  view: SessionView,
  { replySequence }: LatestEnd,
  events: readonly ChatResponse[],
): SessionView {
  return withLatestTurn(withReplyTime(view, replySequence, events), replySequence, events);
}

function withReplyTime(
  view: SessionView,
  replySequence: bigint,
  events: readonly ChatResponse[],
): SessionView {
  const end = events.find(({ isFinal, sequence }) => isFinal && sequence === replySequence);
  if (end === undefined) return view;
  const totalMs = end.processingTime * 1_000;
  return {
    ...view,
    messages: view.messages.map((message) =>
      message.id === end.messageId ? { ...message, totalMs } : message,
    ),
  };
}

/** The turns that answer the last message tell by their first event which it is, whatever they came to. */
function withLatestTurn(
  view: SessionView,
  replySequence: bigint,
  events: readonly ChatResponse[],
): SessionView {
  const asked = view.messages.findLast(({ role, state }) => role === "user" && state !== "queued");
  if (asked === undefined || view.running !== undefined) return view;
  const turnIds = new Set([asked.turnId]);
  for (const { turnId, userMessage } of events) {
    if (userMessage?.messageId === asked.id) turnIds.add(turnId);
  }
  const latest = events.findLast(
    ({ turnId, sequence, isFinal, type }) =>
      sequence > replySequence && turnIds.has(turnId) && (isFinal || type === EventType.STATUS),
  );
  if (latest === undefined) return view;
  const { turnId, model, isFinal, finishReason, errorReason, errorMessage, retryable } = latest;
  if (!isFinal) return { ...view, running: { turnId, model, replyId: "" } };
  if (finishReason === FinishReason.STOP) return view;
  return { ...view, failed: { turnId, finishReason, errorReason, errorMessage, retryable } };
}
