import type { Clock, NewId } from "./clock.ts";
import { ChatError, invalidArgument } from "./errors.ts";
import type { Message } from "./message.ts";
import type { Model } from "./model.ts";
import type { Session } from "./session.ts";
import type { Store } from "./store.ts";
import type { Turn } from "./turn.ts";
import type { TurnRequest } from "./turn-request.ts";

type PlanOptions = { store: Store; clock: Clock; newId: NewId };

/** Messages read from the store at a time. */
const pageSize = 100;

/**
 * Makes the turn that a request asks for in an idle session. Throws `not_found`/MESSAGE_NOT_FOUND and
 * `failed_precondition`/MESSAGE_REPLACED, MESSAGE_QUEUED where the request names no message of the history, `invalid_argument`
 * for an edit of a reply and where another than the last message is to be answered again or continued,
 * `failed_precondition`/NOTHING_TO_REGENERATE and NOTHING_TO_CONTINUE where the session's last message is not
 * what the request needs.
 */
export async function planTurn(
  options: PlanOptions,
  session: Session,
  model: Model,
  request: TurnRequest,
): Promise<Turn> {
  const { clock, newId } = options;
  const turnId = newId();
  const createdAt = clock.now();
  const plan = await plans[request.type](options, session, request);
  const userMessage = plan.question ?? newMessage(session, request, turnId, newId(), createdAt);
  const { requestId, type, onDisconnect, chunkBy, traceParent } = request;
  return {
    turnId,
    sessionId: session.sessionId,
    principal: session.principal,
    requestId,
    type,
    onDisconnect,
    chunkBy,
    replaces: plan.replaces ?? [],
    model: model.info.modelId,
    systemInstruction: request.systemInstruction || session.systemInstruction,
    generation: { ...session.generation, ...request.generation },
    replyMessageId: plan.extends ?? newId(),
    userMessage,
    createdAt,
    ...(traceParent !== undefined && { traceParent }),
  };
}

/** What a turn has to do with the messages that are there; without a question it brings its own. */
type Plan = { question?: Message; replaces?: readonly string[]; extends?: string };

const plans: Record<
  TurnRequest["type"],
  (options: PlanOptions, session: Session, request: TurnRequest) => Promise<Plan>
> = {
  message: async () => ({}),

  async edit({ store }, session, { messageId }) {
    const replaces: string[] = [];
    for await (const message of newestFirst(store, session)) {
      replaces.unshift(message.messageId);
      if (message.messageId !== messageId) continue;
      if (message.role === "user") return { replaces };
      throw invalidArgument([{ field: "message_id", description: "must be a user's message" }]);
    }
    await refuseMissing(store, session, messageId);
    throw messageNotFound(messageId);
  },

  async regenerate({ store }, session, { messageId }) {
    const { reply, question } = await lastExchange(store, session);
    await refuseOther(store, session, messageId, [reply, question]);
    if (!question)
      throw precondition("NOTHING_TO_REGENERATE", "the session has no message to answer");
    return { question, replaces: reply ? [reply.messageId] : [] };
  },

  async continue({ store }, session, { messageId }) {
    const { reply, question } = await lastExchange(store, session);
    await refuseOther(store, session, messageId, [reply]);
    const isOpen = reply?.state === "partial" || reply?.finishReason === "max_tokens";
    if (reply && question && isOpen) return { question, extends: reply.messageId };
    throw nothingToContinue();
  },
};

/** Throws where a message that is named (not empty) is none of the session's, was replaced, or waits. */
export async function refuseMissing(
  store: Store,
  { principal, sessionId }: Session,
  messageId: string,
): Promise<void> {
  if (messageId === "") return;
  const message = await store.getMessage(principal, sessionId, messageId);
  if (!message) throw messageNotFound(messageId);
  if (message.replacedByTurnId !== undefined) throw messageReplaced(message);
  if (message.state === "queued") throw messageQueued(message);
}

/** Throws where a message that is named is none of those that the request can be about. */
async function refuseOther(
  store: Store,
  session: Session,
  messageId: string,
  possible: readonly (Message | undefined)[],
): Promise<void> {
  if (possible.some((message) => message?.messageId === messageId)) return;
  await refuseMissing(store, session, messageId);
  if (messageId !== "") throw notTheLast();
}

/** A message is named that is not the one that can be answered again or continued. */
export function notTheLast(): ChatError {
  return invalidArgument([{ field: "message_id", description: "must be the last reply" }]);
}

function messageNotFound(messageId: string): ChatError {
  const metadata = { message_id: messageId };
  const text = `the session's history has no message "${messageId}"`;
  return new ChatError("not_found", "MESSAGE_NOT_FOUND", text, { metadata });
}

/** Another EDIT or REGENERATE came first; the caller has not seen it yet. */
function messageReplaced({ messageId, replacedByTurnId = "" }: Message): ChatError {
  const metadata = { message_id: messageId, replaced_by_turn_id: replacedByTurnId };
  const text = `message "${messageId}" was replaced by turn "${replacedByTurnId}"`;
  return new ChatError("failed_precondition", "MESSAGE_REPLACED", text, { metadata });
}

/** It has no place in the history yet. */
function messageQueued({ messageId, turnId }: Message): ChatError {
  const metadata = { message_id: messageId, turn_id: turnId };
  const text = "this message waits for its turn: cancel that turn, and send the message anew";
  return new ChatError("failed_precondition", "MESSAGE_QUEUED", text, { metadata });
}

/** The last question, and its reply where there is one. */
async function lastExchange(store: Store, session: Session) {
  let reply: Message | undefined;
  for await (const message of newestFirst(store, session)) {
    if (message.role === "user") return { reply, question: message };
    reply ??= message;
  }
  return { reply };
}

async function* newestFirst(store: Store, { principal, sessionId }: Session) {
  let pageToken = "";
  do {
    const page = { pageSize, pageToken, newestFirst: true, includeReplaced: false };
    const { items, nextPageToken } = await store.listMessages(principal, sessionId, page);
    for (const message of items) if (message.state !== "queued") yield message;
    pageToken = nextPageToken;
  } while (pageToken !== "");
}

function newMessage(
  { sessionId }: Session,
  { parts, requestId }: TurnRequest,
  turnId: string,
  messageId: string,
  createdAt: number,
): Message {
  const fixed = { role: "user", state: "complete", model: "", sequence: 0 } as const;
  return { ...fixed, messageId, sessionId, turnId, parts, createdAt, requestId };
}

export function nothingToContinue(): ChatError {
  return precondition("NOTHING_TO_CONTINUE", "the session has no reply that could be continued");
}

function precondition(
  reason: "NOTHING_TO_REGENERATE" | "NOTHING_TO_CONTINUE",
  message: string,
): ChatError {
  return new ChatError("failed_precondition", reason, message);
}
