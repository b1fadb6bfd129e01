import { sessionNotFound } from "../chat/errors.ts";
import type { Principal, Session } from "../chat/session.ts";
import type { NewTurn, Store, UnfinishedTurn } from "../chat/store.ts";
import type { TurnEnd } from "../chat/turn.ts";
import { messagesList, sessionsList } from "./lists.ts";
import {
  addEnd,
  addTurn,
  createMemorySession,
  discardTurn,
  type MemorySession,
  startTurn,
  toDetails,
} from "./memory-session.ts";
import { createPage, type PageKey, parsePageToken } from "./page-token.ts";
import { turnNotFound } from "./turn-errors.ts";

/** The store of a process that keeps nothing: for tests, and for trying things out. */
export function createMemoryStore(): Store {
  const sessions = new Map<string, MemorySession>();

  function find(principal: Principal, sessionId: string): MemorySession | undefined {
    const found = sessions.get(sessionId);
    return found?.session.principal === principal ? found : undefined;
  }

  function require(principal: Principal, sessionId: string): MemorySession {
    const found = find(principal, sessionId);
    if (found === undefined) throw sessionNotFound(sessionId);
    return found;
  }

  function createSession(session: Session): void {
    if (!sessions.has(session.sessionId)) {
      sessions.set(session.sessionId, createMemorySession(session));
    }
  }

  function createTurn({ turn, session }: NewTurn): void {
    if (sessions.get(turn.sessionId)?.turns.has(turn.turnId)) return;
    if (session !== undefined) createSession(session);
    addTurn(require(turn.principal, turn.sessionId), turn);
  }

  function endTurn(end: TurnEnd): void {
    const found = sessions.get(end.sessionId);
    if (found === undefined) return;
    const turn = found.turns.get(end.turnId);
    if (turn === undefined) throw turnNotFound(end);
    addEnd(found, turn, end);
  }

  function unfinishedTurns(): UnfinishedTurn[] {
    return Array.from(sessions.values())
      .flatMap(({ turns }) => Array.from(turns.values()))
      .flatMap(({ turn, state, fence }) => (state === "ended" ? [] : [{ turn, state, fence }]))
      .sort((one, other) => one.turn.createdAt - other.turn.createdAt);
  }

  return {
    createSession: async (session) => createSession(structuredClone(session)),

    async getSession(principal, sessionId) {
      const found = find(principal, sessionId);
      return found === undefined ? undefined : toDetails(found);
    },

    async listSessions(principal, { pageSize, pageToken }) {
      const list = sessionsList(principal);
      const after = parsePageToken(list, pageToken);
      const found = Array.from(sessions.values(), ({ session }) => session)
        .filter((session) => session.principal === principal)
        .filter((session) => after === undefined || compare(keyOf(session), after) < 0)
        .sort((one, other) => compare(keyOf(other), keyOf(one)));
      const page = createPage(list, found, pageSize, keyOf);
      const details = page.items.map(({ sessionId }) => toDetails(require(principal, sessionId)));
      return { ...page, items: details };
    },

    countSessions: async (principal) =>
      Array.from(sessions.values()).filter(({ session }) => session.principal === principal).length,

    deleteSession: async (principal, sessionId) =>
      find(principal, sessionId) !== undefined && sessions.delete(sessionId),

    createTurn: async (newTurn) => createTurn(structuredClone(newTurn)),

    async acquireTurn(sessionId) {
      const found = sessions.get(sessionId);
      return found === undefined ? "idle" : structuredClone(startTurn(found));
    },

    async discardQueuedTurn(sessionId, turnId) {
      const found = sessions.get(sessionId);
      return found !== undefined && discardTurn(found, turnId);
    },

    endTurn: async (end) => endTurn(structuredClone(end)),

    async listMessages(principal, sessionId, { pageSize, pageToken, newestFirst }) {
      const list = messagesList(principal, sessionId, newestFirst);
      const after = parsePageToken(list, pageToken);
      const { messages } = require(principal, sessionId);
      const moved = messages.find(({ message }) => message.messageId === after?.id);
      const from = moved?.order ?? after?.order;
      const sign = newestFirst ? -1 : 1;
      const found = messages
        .filter(({ order }) => from === undefined || (order - from) * sign > 0)
        .sort((one, other) => (one.order - other.order) * sign);
      const page = createPage(list, found, pageSize, ({ message, order }) => ({
        order,
        id: message.messageId,
      }));
      return { ...page, items: page.items.map(({ message }) => structuredClone(message)) };
    },

    unfinishedTurns: async () => structuredClone(unfinishedTurns()),
    check: async () => {},
  };
}

function keyOf({ updatedAt, sessionId }: Session): PageKey {
  return { order: updatedAt, id: sessionId };
}

function compare(one: PageKey, other: PageKey): number {
  if (one.order !== other.order) return one.order - other.order;
  if (one.id === other.id) return 0;
  return one.id < other.id ? -1 : 1;
}
