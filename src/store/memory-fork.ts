import type { Message } from "../chat/message.ts";
import type { NewFork } from "../chat/store.ts";
import { forkEndNotFound } from "./errors.ts";
import { createMemorySession, type MemorySession, visibleMessages } from "./memory-session.ts";

/** A copy of the session's settings and of what its history shows. */
export function forkOf(original: MemorySession, fork: NewFork): MemorySession {
  const { sessionId, title, createdAt, upToMessageId, newMessageId } = fork;
  const shown = visibleMessages(original)
    .filter(({ message }) => message.state !== "queued" && !isOfRunningTurn(original, message))
    .sort((one, other) => one.order - other.order);
  const last = shown.findIndex(({ message }) => message.messageId === upToMessageId);
  if (upToMessageId !== "" && last < 0) throw forkEndNotFound(upToMessageId);
  const kept = upToMessageId === "" ? shown : shown.slice(0, last + 1);
  const times = { createdAt, updatedAt: createdAt };
  const named = { sessionId, title: title || original.session.title };
  const session = { ...original.session, ...named, ...times };
  return {
    ...createMemorySession(structuredClone(session)),
    forkedFromSessionId: original.session.sessionId,
    turnsStarted: original.turnsStarted,
    messages: kept.map(({ message, order }) => {
      // A copy belongs to no turn, and no event is folded into it.
      const fresh = { messageId: newMessageId(), turnId: "", requestId: "", sequence: 0 };
      return { message: { ...structuredClone(message), sessionId, ...fresh }, order };
    }),
  };
}

function isOfRunningTurn({ runningTurnId }: MemorySession, { turnId }: Message): boolean {
  return runningTurnId !== "" && turnId === runningTurnId;
}
