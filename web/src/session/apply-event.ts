import {
  type ChatResponse,
  ChatResponse_Type as EventType,
  FinishReason,
} from "../../../src/gen/chat/chat_pb.ts";
import { type MessageView, type SessionView, toMessageView } from "./session-view.ts";

/**
 * The view after an event of the session's watch. Events up to the view's sequence change nothing, so a
 * replay that overlaps is harmless (docs/turns.md).
 */
export function applyEvent(view: SessionView, event: ChatResponse): SessionView {
  if (event.sequence === 0n) return applyUnrecorded(view, event);
  if (event.sequence <= view.sequence) return view;
  const known = { ...view, sequence: event.sequence, epoch: event.epoch || view.epoch };
  return applyRecorded(withUserMessage(known, event), event);
}

function applyUnrecorded(view: SessionView, { type, updateType }: ChatResponse): SessionView {
  if (type !== EventType.SESSION_UPDATE) return view;
  if (updateType === "typing_started") {
    return { ...view, isTyping: true, typingTold: view.typingTold + 1 };
  }
  if (updateType === "typing_stopped") return { ...view, isTyping: false };
  return view;
}

function applyRecorded(view: SessionView, event: ChatResponse): SessionView {
  switch (event.type) {
    case EventType.STATUS:
      return applyStatus(view, event);
    case EventType.RESPONSE_START:
      return applyResponseStart(view, event);
    case EventType.CHUNK:
      return applyChunk(view, event);
    case EventType.RESPONSE_COMPLETE:
    case EventType.ERROR:
      return applyEnd(view, event);
    case EventType.SESSION_UPDATE:
      return applyUpdate(view, event);
    default:
      return view;
  }
}

/** A turn's first event brings the message that it answers; a REGENERATE's or CONTINUE's is there already. */
function withUserMessage(view: SessionView, { userMessage }: ChatResponse): SessionView {
  if (userMessage === undefined) return view;
  if (view.messages.some(({ id }) => id === userMessage.messageId)) return view;
  return { ...view, messages: [...view.messages, toMessageView(userMessage)], isTyping: false };
}

/** The run begins: its message takes its place before those that wait. */
function applyStatus(view: SessionView, { turnId, model }: ChatResponse): SessionView {
  const own = view.messages.find((message) => message.turnId === turnId && message.role === "user");
  const running =
    view.running?.turnId === turnId ? { ...view.running, model } : { turnId, model, replyId: "" };
  const started = { ...view, running, failed: undefined };
  if (own === undefined) return started;
  const rest = view.messages.filter((message) => message !== own);
  const place = startOfQueue(rest);
  const begun: MessageView = { ...own, state: "complete" };
  return { ...started, messages: rest.toSpliced(place, 0, begun) };
}

/** Where the messages that wait begin. */
function startOfQueue(messages: readonly MessageView[]): number {
  const first = messages.findIndex(({ state }) => state === "queued");
  return first === -1 ? messages.length : first;
}

/** A new reply, or for a CONTINUE the one that goes on. */
function applyResponseStart(view: SessionView, event: ChatResponse): SessionView {
  const { turnId, model, messageId, timestamp } = event;
  const running = { turnId, model, replyId: messageId };
  if (view.messages.some(({ id }) => id === messageId)) {
    const goesOn = { turnId, model, state: "streaming", finishReason: 0, ...noError } as const;
    return change({ ...view, running }, messageId, (reply) => ({ ...reply, ...goesOn }));
  }
  return { ...view, running, messages: withReply(view, newReply(event, timestamp)) };
}

function applyChunk(view: SessionView, event: ChatResponse): SessionView {
  const { turnId, chunkText, thought, elapsedMs, timestamp } = event;
  const reply = replyOf(view, turnId);
  if (reply === undefined) {
    const started = withReply(
      view,
      newReply({ ...event, messageId: `reply-${turnId}` }, timestamp),
    );
    return applyChunk({ ...view, messages: started }, event);
  }
  const firstChunkMs = reply.firstChunkMs ?? (event.chunkNumber === 1 ? elapsedMs : undefined);
  const grown = thought
    ? { thoughts: reply.thoughts + chunkText }
    : { text: reply.text + chunkText };
  const running = { turnId, model: reply.model, replyId: reply.id };
  const changed = { ...reply, ...grown, firstChunkMs, state: "streaming" } as const;
  return change({ ...view, running }, reply.id, () => changed);
}

function applyEnd(view: SessionView, event: ChatResponse): SessionView {
  const { turnId, finishReason, errorReason, errorMessage, retryable } = event;
  const running = view.running?.turnId === turnId ? undefined : view.running;
  const ended = { ...view, running };
  const reply = replyOf(view, turnId);
  if (reply !== undefined) {
    return change(ended, reply.id, (message) => ({ ...message, ...endOf(event) }));
  }
  // A turn that was cancelled while it waited leaves the history with its message.
  const waited = (message: MessageView) => message.turnId === turnId && message.state === "queued";
  if (view.messages.some(waited)) {
    return { ...ended, messages: view.messages.filter((message) => !waited(message)) };
  }
  const failed = { turnId, finishReason, errorReason, errorMessage, retryable };
  return finishReason === FinishReason.STOP ? ended : { ...ended, failed };
}

function endOf(event: ChatResponse): Partial<MessageView> {
  const { type, finishReason, errorReason, errorMessage, usage, processingTime, model } = event;
  const isPartial = type === EventType.ERROR || finishReason === FinishReason.CANCELLED;
  return {
    state: isPartial ? "partial" : "complete",
    finishReason,
    errorReason,
    errorMessage,
    usage,
    totalMs: processingTime * 1_000,
    ...(model !== "" && { model }),
  };
}

function applyUpdate(view: SessionView, event: ChatResponse): SessionView {
  switch (event.updateType) {
    case "turn_queued":
      return change(view, event.userMessage?.messageId ?? "", (message) => ({
        ...message,
        state: "queued",
      }));
    case "messages_replaced": {
      const gone = replacedIds(event.updateData);
      return { ...view, messages: view.messages.filter(({ id }) => !gone.has(id)) };
    }
    case "session_changed":
      return { ...view, settingsChanges: view.settingsChanges + 1 };
    case "session_deleted":
      return { ...view, isDeleted: true, running: undefined };
    default:
      return view;
  }
}

function replacedIds(json: string): ReadonlySet<unknown> {
  try {
    const { message_ids: ids } = JSON.parse(json) as { message_ids?: unknown };
    return new Set(Array.isArray(ids) ? ids : []);
  } catch {
    // A server's broken JSON costs its facts, and not the conversation.
    return new Set();
  }
}

/** The reply that a turn writes, or wrote last. */
function replyOf({ messages, running }: SessionView, turnId: string): MessageView | undefined {
  if (running?.turnId === turnId && running.replyId !== "") {
    const reply = messages.findLast(({ id }) => id === running.replyId);
    if (reply !== undefined) return reply;
  }
  return messages.findLast((message) => message.role === "model" && message.turnId === turnId);
}

function withReply({ messages }: SessionView, reply: MessageView): MessageView[] {
  return messages.toSpliced(startOfQueue(messages), 0, reply);
}

const noError = { errorReason: "", errorMessage: "" } as const;

function newReply(
  { messageId: id, turnId, model }: Pick<ChatResponse, "messageId" | "turnId" | "model">,
  createdAt: string,
): MessageView {
  return {
    id,
    role: "model",
    turnId,
    text: "",
    thoughts: "",
    state: "streaming",
    finishReason: FinishReason.UNSPECIFIED,
    ...noError,
    usage: undefined,
    model,
    createdAt,
    requestId: "",
    firstChunkMs: undefined,
    totalMs: undefined,
  };
}

function change(
  view: SessionView,
  id: string,
  to: (message: MessageView) => MessageView,
): SessionView {
  const index = view.messages.findLastIndex((message) => message.id === id);
  const message = view.messages[index];
  if (message === undefined) return view;
  return { ...view, messages: view.messages.with(index, to(message)) };
}
