import type { Message, Usage } from "../chat/message.ts";
import type { Session, SessionDetails } from "../chat/session.ts";
import type { AcquiredTurn, NewTurn, StoredTurn } from "../chat/store.ts";
import type { Turn, TurnEnd, TurnState } from "../chat/turn.ts";
import { queueFull, staleFence } from "./errors.ts";
import { type MessageOrder, queuedOrder, startedOrder } from "./message-order.ts";
import { previewOf } from "./preview.ts";
import { extendReply, hasBegun, hasOwnQuestion, replyOf } from "./reply.ts";

export type MemoryTurn = {
  turn: Turn;
  state: TurnState;
  fence: number;
  queueOrder: number;
  /** From 1, in the order of starting; 0 while it is queued, and when it is withdrawn. */
  position: number;
  end?: TurnEnd;
};

export type MemoryMessage = { message: Message; order: MessageOrder };

/** One session with its turns and messages, as the memory store keeps it. */
export type MemorySession = {
  session: Session;
  version: number;
  epoch: number;
  forkedFromSessionId: string;
  fence: number;
  turnsCreated: number;
  turnsStarted: number;
  runningTurnId: string;
  lastSequence: number;
  usage: Usage;
  /** In the order of their creation. */
  turns: Map<string, MemoryTurn>;
  messages: MemoryMessage[];
};

export function createMemorySession(session: Session): MemorySession {
  return {
    session,
    version: 1,
    epoch: 1,
    forkedFromSessionId: "",
    fence: 0,
    turnsCreated: 0,
    turnsStarted: 0,
    runningTurnId: "",
    lastSequence: 0,
    usage: {
      inputTokens: 0,
      outputTokens: 0,
      thinkingTokens: 0,
      cachedTokens: 0,
      totalTokens: 0,
      estimated: false,
    },
    turns: new Map(),
    messages: [],
  };
}

export function toDetails(stored: MemorySession): SessionDetails {
  const visible = visibleMessages(stored);
  const latest = visible.toSorted((one, other) => one.order - other.order).at(-1);
  const users = visible.filter(({ message }) => message.role === "user").length;
  return structuredClone({
    ...stored.session,
    userMessages: users,
    modelMessages: visible.length - users,
    usage: stored.usage,
    lastSequence: stored.lastSequence,
    epoch: stored.epoch,
    runningTurnId: stored.runningTurnId,
    queuedTurnIds: queuedTurns(stored).map(({ turn }) => turn.turnId),
    forkedFromSessionId: stored.forkedFromSessionId,
    etag: String(stored.version),
    preview: latest === undefined ? "" : previewOf(latest.message.parts),
  });
}

/** Those that nothing has replaced. */
export function visibleMessages({ messages }: MemorySession): MemoryMessage[] {
  return messages.filter(({ message }) => message.replacedByTurnId === undefined);
}

export function toStoredTurn({ turn, state, fence, end }: MemoryTurn): StoredTurn {
  return structuredClone({ turn, state, fence, ...(end && { end }) });
}

/** Throws QUEUE_FULL. */
export function addTurn(stored: MemorySession, { turn, atHead, queuedTurnsMax }: NewTurn): void {
  const queued = queuedTurns(stored);
  const waiting = queued.length + (stored.runningTurnId === "" ? 0 : 1);
  if (waiting > queuedTurnsMax) throw queueFull(turn.sessionId, queuedTurnsMax);
  stored.turnsCreated += 1;
  const [head] = queued;
  const queueOrder = atHead && head ? head.queueOrder - 1 : stored.turnsCreated;
  stored.turns.set(turn.turnId, { turn, state: "queued", fence: 0, queueOrder, position: 0 });
  if (turn.type === "edit") replaceMessages(stored, turn.replaces, turn.turnId);
  if (hasOwnQuestion(turn.type)) {
    turn.userMessage = { ...turn.userMessage, state: "queued" };
    const message = { ...turn.userMessage };
    stored.messages.push({ message, order: queuedOrder(queueOrder) });
  }
  touch(stored, turn.createdAt);
}

/** The first queued turn becomes the running one. */
export function startTurn(stored: MemorySession): AcquiredTurn | "busy" | "idle" {
  if (stored.runningTurnId !== "") return "busy";
  const [next] = queuedTurns(stored);
  if (next === undefined) return "idle";
  stored.fence += 1;
  stored.turnsStarted += 1;
  next.state = "running";
  next.fence = stored.fence;
  next.position = stored.turnsStarted;
  stored.runningTurnId = next.turn.turnId;
  const { userMessage } = next.turn;
  const question = hasOwnQuestion(next.turn.type) && findEntry(stored, userMessage.messageId);
  if (question) {
    userMessage.state = "complete";
    question.message = { ...question.message, state: "complete" };
    question.order = startedOrder(next.position, "user");
  }
  const shown = visibleMessages(stored).filter(({ message }) => message.state !== "queued");
  return { turn: next.turn, fence: next.fence, messages: shown.length };
}

export function withdrawTurn(stored: MemorySession, turnId: string): boolean {
  const turn = stored.turns.get(turnId);
  if (turn?.state !== "queued") return false;
  turn.state = "running";
  const { userMessage } = turn.turn;
  if (hasOwnQuestion(turn.turn.type)) {
    // As it is told with the turn's events.
    userMessage.state = "complete";
    stored.messages = stored.messages.filter(
      ({ message }) => message.messageId !== userMessage.messageId,
    );
  }
  return true;
}

export function replaceMessages(
  stored: MemorySession,
  messageIds: readonly string[],
  byTurnId: string,
): void {
  const ids = new Set(messageIds);
  for (const entry of visibleMessages(stored)) {
    // A copy: the question that a turn holds is as it was recorded.
    if (ids.has(entry.message.messageId)) {
      entry.message = { ...entry.message, replacedByTurnId: byTurnId };
    }
  }
}

/** False where the turn had ended before; the first end stays. */
export function addEnd(stored: MemorySession, turn: MemoryTurn, end: TurnEnd): boolean {
  if (turn.state === "queued" || turn.fence !== end.fence) throw staleFence(end);
  if (turn.state === "ended") return false;
  turn.state = "ended";
  turn.end = end;
  if (stored.runningTurnId === end.turnId) stored.runningTurnId = "";
  const { type, replaces } = turn.turn;
  if (type === "regenerate" && hasBegun(end)) replaceMessages(stored, replaces, end.turnId);
  addReply(stored, turn, structuredClone(end));
  stored.usage = sum(stored.usage, end.usage);
  stored.lastSequence = Math.max(stored.lastSequence, end.sequence);
  touch(stored, end.endedAt);
  return true;
}

function addReply(stored: MemorySession, { turn, position }: MemoryTurn, end: TurnEnd): void {
  const extended = turn.type === "continue" && findEntry(stored, end.replyMessageId);
  if (extended) {
    extended.message = extendReply(extended.message, end).message;
    return;
  }
  const message = replyOf(end);
  // A turn that was withdrawn has no place in the history, and no reply.
  if (message === undefined || position === 0) return;
  stored.messages.push({ message, order: startedOrder(position, "model") });
}

export function findEntry(stored: MemorySession, messageId: string): MemoryMessage | undefined {
  return stored.messages.find(({ message }) => message.messageId === messageId);
}

export function queuedTurns({ turns }: MemorySession): MemoryTurn[] {
  return Array.from(turns.values())
    .filter(({ state }) => state === "queued")
    .sort((one, other) => one.queueOrder - other.queueOrder);
}

export function touch(stored: MemorySession, at: number): void {
  stored.session.updatedAt = Math.max(stored.session.updatedAt, at);
}

function sum(one: Usage, other: Usage): Usage {
  return {
    inputTokens: one.inputTokens + other.inputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    thinkingTokens: one.thinkingTokens + other.thinkingTokens,
    cachedTokens: one.cachedTokens + other.cachedTokens,
    totalTokens: one.totalTokens + other.totalTokens,
    estimated: one.estimated || other.estimated,
  };
}
