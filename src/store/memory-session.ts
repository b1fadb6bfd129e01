import type { Message, Usage } from "../chat/message.ts";
import type { Session, SessionDetails } from "../chat/session.ts";
import type { Turn, TurnEnd, TurnState } from "../chat/turn.ts";
import { type MessageOrder, queuedOrder, startedOrder } from "./message-order.ts";
import { previewOf } from "./preview.ts";
import { replyOf } from "./reply.ts";
import { staleFence } from "./turn-errors.ts";

export type MemoryTurn = {
  turn: Turn;
  state: TurnState;
  fence: number;
  queueOrder: number;
  /** From 1, in the order of starting; 0 while it is queued. */
  position: number;
};

/** One session with its turns and messages, as the memory store keeps it. */
export type MemorySession = {
  session: Session;
  fence: number;
  turnsCreated: number;
  turnsStarted: number;
  lastSequence: number;
  usage: Usage;
  /** In the order of their creation, which is the order of the queue. */
  turns: Map<string, MemoryTurn>;
  messages: { message: Message; order: MessageOrder }[];
};

export function createMemorySession(session: Session): MemorySession {
  return {
    session,
    fence: 0,
    turnsCreated: 0,
    turnsStarted: 0,
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

export function toDetails({ session, ...stored }: MemorySession): SessionDetails {
  const turns = Array.from(stored.turns.values());
  const roles = stored.messages.map(({ message }) => message.role);
  const latest = stored.messages.toSorted((one, other) => one.order - other.order).at(-1);
  return structuredClone({
    ...session,
    userMessages: roles.filter((role) => role === "user").length,
    modelMessages: roles.filter((role) => role === "model").length,
    usage: stored.usage,
    lastSequence: stored.lastSequence,
    epoch: 1,
    runningTurnId: turns.find(({ state }) => state === "running")?.turn.turnId ?? "",
    queuedTurnIds: turns.filter(({ state }) => state === "queued").map(({ turn }) => turn.turnId),
    forkedFromSessionId: "",
    etag: "1",
    preview: latest === undefined ? "" : previewOf(latest.message.parts),
  });
}

export function addTurn(stored: MemorySession, turn: Turn): void {
  stored.turnsCreated += 1;
  const queueOrder = stored.turnsCreated;
  stored.turns.set(turn.turnId, { turn, state: "queued", fence: 0, queueOrder, position: 0 });
  turn.userMessage = { ...turn.userMessage, state: "queued" };
  stored.messages.push({ message: turn.userMessage, order: queuedOrder(queueOrder) });
  touch(stored, turn.createdAt);
}

/** The oldest queued turn becomes the running one. */
export function startTurn(stored: MemorySession): { turn: Turn; fence: number } | "busy" | "idle" {
  const turns = Array.from(stored.turns.values());
  if (turns.some(({ state }) => state === "running")) return "busy";
  const next = turns.find(({ state }) => state === "queued");
  if (next === undefined) return "idle";
  stored.fence += 1;
  stored.turnsStarted += 1;
  next.state = "running";
  next.fence = stored.fence;
  next.position = stored.turnsStarted;
  const order = startedOrder(next.position, "user");
  next.turn.userMessage.state = "complete";
  stored.messages = stored.messages.map((one) =>
    one.message === next.turn.userMessage ? { ...one, order } : one,
  );
  return { turn: next.turn, fence: next.fence };
}

export function discardTurn(stored: MemorySession, turnId: string): boolean {
  const turn = stored.turns.get(turnId);
  if (turn?.state !== "queued") return false;
  stored.turns.delete(turnId);
  stored.messages = stored.messages.filter(({ message }) => message !== turn.turn.userMessage);
  return true;
}

export function addEnd(stored: MemorySession, turn: MemoryTurn, end: TurnEnd): void {
  if (turn.position === 0 || turn.fence !== end.fence) throw staleFence(end);
  if (turn.state === "ended") return;
  turn.state = "ended";
  const message = replyOf(end);
  if (message !== undefined) {
    stored.messages.push({ message, order: startedOrder(turn.position, "model") });
  }
  stored.usage = sum(stored.usage, end.usage);
  stored.lastSequence = Math.max(stored.lastSequence, end.sequence);
  touch(stored, end.endedAt);
}

function touch(stored: MemorySession, at: number): void {
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
