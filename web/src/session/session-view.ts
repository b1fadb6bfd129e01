import type { ListMessagesResponse, Message, Usage } from "../../../src/gen/chat/chat_pb.ts";
import { FinishReason, Message_Role, Message_State } from "../../../src/gen/chat/chat_pb.ts";

/** A message as the page shows it. Never changed: a later state is another object. */
export type MessageView = {
  readonly id: string;
  readonly role: "user" | "model";
  readonly turnId: string;
  readonly text: string;
  readonly thoughts: string;
  readonly state: "queued" | "streaming" | "complete" | "partial";
  readonly finishReason: FinishReason;
  readonly errorReason: string;
  readonly errorMessage: string;
  readonly usage: Usage | undefined;
  readonly model: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** On a user's message: the request_id that it came with. */
  readonly requestId: string;
  /** From the start of the turn's run to the first piece, milliseconds; undefined where it was not seen. */
  readonly firstChunkMs: number | undefined;
  /** From the start of the turn's run to its end, milliseconds; undefined where it was not seen. */
  readonly totalMs: number | undefined;
};

/** The turn that runs. `replyId` is empty until the model answers. */
export type RunningTurn = {
  readonly turnId: string;
  readonly model: string;
  readonly replyId: string;
};

/** The session's latest turn where it failed before there was a reply to show the failure at. */
export type FailedTurn = {
  readonly turnId: string;
  readonly finishReason: FinishReason;
  readonly errorReason: string;
  readonly errorMessage: string;
  readonly retryable: boolean;
};

/** All that the page knows of a session's conversation, up to `sequence` of `epoch`. */
export type SessionView = {
  /** In the order of the history: by turn start, queued ones last. */
  readonly messages: readonly MessageView[];
  readonly sequence: bigint;
  readonly epoch: number;
  readonly running: RunningTurn | undefined;
  readonly failed: FailedTurn | undefined;
  /** How the latest turn ended is still being read; a listing does not tell where it left no reply. */
  readonly isEndUnread: boolean;
  /** Somebody else writes. It has to fade by itself: its end may be lost. */
  readonly isTyping: boolean;
  /** Rises each time that is told: who goes on writing tells it again. */
  readonly typingTold: number;
  /** The page before the first message; empty where there is none. */
  readonly olderToken: string;
  readonly isDeleted: boolean;
  /** Rises with each change of the session's settings. */
  readonly settingsChanges: number;
};

/** A session of which nothing is known yet. */
export const emptyView: SessionView = {
  messages: [],
  sequence: 0n,
  epoch: 0,
  running: undefined,
  failed: undefined,
  isEndUnread: false,
  isTyping: false,
  typingTold: 0,
  olderToken: "",
  isDeleted: false,
  settingsChanges: 0,
};

/** What ListMessages gives, and what a watch's reload brings: the newest first. */
export type Listing = Pick<ListMessagesResponse, "messages" | "nextPageToken" | "epoch"> & {
  readonly sequence: bigint;
};

/** The session as the newest page of its messages shows it. */
export function viewOfListing({ messages, nextPageToken, epoch, sequence }: Listing): SessionView {
  const views = messages.toReversed().map(toMessageView);
  const reply = views.find(({ state }) => state === "streaming");
  return {
    ...emptyView,
    messages: views,
    sequence,
    epoch,
    olderToken: nextPageToken,
    running: reply && { turnId: reply.turnId, model: reply.model, replyId: reply.id },
  };
}

/** The view with the page of messages before its first; those that it has already stay as they are. */
export function prependOlder(
  view: SessionView,
  { messages, nextPageToken }: Pick<ListMessagesResponse, "messages" | "nextPageToken">,
): SessionView {
  const known = new Set(view.messages.map(({ id }) => id));
  const older = messages.toReversed().filter(({ messageId }) => !known.has(messageId));
  return {
    ...view,
    messages: [...older.map(toMessageView), ...view.messages],
    olderToken: nextPageToken,
  };
}

/**
 * Learns from GetSessionInfo which turn runs, which a listing does not tell before the model answers. An
 * answer of another moment than the view's is left alone: the events between tell the same.
 */
export function withRunningTurn(
  view: SessionView,
  info: { runningTurnId: string; lastSequence: bigint; model: string },
): SessionView {
  const isOfNow = info.lastSequence === view.sequence;
  if (!isOfNow || view.running !== undefined || info.runningTurnId === "") return view;
  return { ...view, running: { turnId: info.runningTurnId, model: info.model, replyId: "" } };
}

/** A message of the wire as the page shows it. */
export function toMessageView(message: Message): MessageView {
  const { messageId: id, turnId, text, thoughts, finishReason, usage, model } = message;
  const { errorReason, errorMessage, createdAt, requestId } = message;
  return {
    id,
    role: message.role === Message_Role.MODEL ? "model" : "user",
    turnId,
    text,
    thoughts,
    state: states[message.state] ?? "complete",
    finishReason,
    errorReason,
    errorMessage,
    usage,
    model,
    createdAt,
    requestId,
    firstChunkMs: undefined,
    totalMs: undefined,
  };
}

const states: Readonly<Partial<Record<Message_State, MessageView["state"]>>> = {
  [Message_State.STREAMING]: "streaming",
  [Message_State.PARTIAL]: "partial",
  [Message_State.QUEUED]: "queued",
};

/** Whether CONTINUE may extend the reply: it is partial, or was cut at its longest. */
export function canContinue({ role, state, finishReason }: MessageView): boolean {
  const wasCut = state === "complete" && finishReason === FinishReason.MAX_TOKENS;
  return role === "model" && (state === "partial" || wasCut);
}
