import { type Clock, systemClock } from "../chat/clock.ts";
import { sessionNotFound } from "../chat/errors.ts";
import type { Principal, Session } from "../chat/session.ts";
import type {
  ExpiredRequest,
  ExpiredSession,
  NewFork,
  NewTurn,
  RequestKey,
  SessionChanges,
} from "../chat/store.ts";
import type { TurnEnd } from "../chat/turn.ts";
import { etagMismatch, tooManySessions, turnNotFound } from "./errors.ts";
import { messagesList, sessionsList } from "./lists.ts";
import { forkOf } from "./memory-fork.ts";
import { createMemoryRequests } from "./memory-requests.ts";
import { hasWords } from "./memory-search.ts";
import {
  addEnd,
  addTurn,
  createMemorySession,
  findEntry,
  type MemorySession,
  replaceMessages,
  startTurn,
  toDetails,
  toStoredTurn,
  touch,
  visibleMessages,
  withdrawTurn,
} from "./memory-session.ts";
import { createMemoryUsage } from "./memory-usage.ts";
import { takePage } from "./message-page.ts";
import { createPage, createPageOf, type PageKey, parsePageToken } from "./page-token.ts";
import { parseQuery } from "./search-words.ts";
import type { TidyStore } from "./tidier.ts";

/** The store of a process that keeps nothing: for tests, and for trying things out. */
export function createMemoryStore({ clock = systemClock }: { clock?: Clock } = {}): TidyStore {
  const sessions = new Map<string, MemorySession>();
  const requests = createMemoryRequests();
  const usage = createMemoryUsage();
  /** Those whose events may not be dropped yet. */
  const deleted = new Set<string>();

  function find(principal: Principal, sessionId: string): MemorySession | undefined {
    const found = sessions.get(sessionId);
    return found?.session.principal === principal ? found : undefined;
  }

  function require(principal: Principal, sessionId: string): MemorySession {
    const found = find(principal, sessionId);
    if (found === undefined) throw sessionNotFound(sessionId);
    return found;
  }

  function sessionsOf(principal: Principal): MemorySession[] {
    return Array.from(sessions.values()).filter(({ session }) => session.principal === principal);
  }

  function requireRoom(principal: Principal, sessionsMax?: number): void {
    if (sessionsMax === undefined) return;
    if (sessionsOf(principal).length >= sessionsMax) throw tooManySessions(sessionsMax);
  }

  function insertSession(session: Session, sessionsMax?: number): void {
    if (sessions.has(session.sessionId)) return;
    requireRoom(session.principal, sessionsMax);
    sessions.set(session.sessionId, createMemorySession(session));
  }

  function createSession(session: Session, requestKey?: RequestKey, sessionsMax?: number): Session {
    const { principal, sessionId } = session;
    const used = requests.find(principal, "session", requestKey);
    if (used) return require(principal, used.sessionId).session;
    insertSession(session, sessionsMax);
    requests.add(principal, "session", requestKey, { sessionId, turnId: "" });
    return find(principal, sessionId)?.session ?? session;
  }

  function updateSession(stored: MemorySession, changes: SessionChanges, etag: string): void {
    const current = String(stored.version);
    if (etag !== "" && etag !== current) throw etagMismatch(stored.session.sessionId, current);
    Object.assign(stored.session, changes);
    stored.version += 1;
  }

  function forkSession(fork: NewFork): MemorySession {
    const { principal, sessionId, requestKey } = fork;
    const used = requests.find(principal, "fork", requestKey);
    if (used) return require(principal, used.sessionId);
    const made = forkOf(require(principal, fork.fromSessionId), fork);
    requireRoom(principal, fork.sessionsMax);
    sessions.set(sessionId, made);
    requests.add(principal, "fork", requestKey, { sessionId, turnId: "" });
    return made;
  }

  function createTurn(newTurn: NewTurn) {
    const { turn, session, requestKey } = newTurn;
    const { principal, turnId, sessionId } = turn;
    const used = requests.find(principal, "turn", requestKey);
    if (used) return { outcome: "repeated" as const, ...used };
    if (sessions.get(sessionId)?.turns.has(turnId)) {
      return { outcome: "repeated" as const, turnId, sessionId };
    }
    const opened = session && !sessions.has(sessionId) ? createMemorySession(session) : undefined;
    if (opened) requireRoom(principal, newTurn.sessionsMax);
    addTurn(opened ?? require(principal, sessionId), newTurn);
    if (opened) sessions.set(sessionId, opened);
    requests.add(principal, "turn", requestKey, { sessionId, turnId });
    return { outcome: "created" as const };
  }

  function endTurn(end: TurnEnd): void {
    const found = sessions.get(end.sessionId);
    if (found === undefined) return;
    const turn = found.turns.get(end.turnId);
    if (turn === undefined) throw turnNotFound(end);
    if (addEnd(found, turn, end)) usage.add(found.session.principal, end);
  }

  function listExpired({ before, count, after }: ExpiredRequest): ExpiredSession[] {
    return Array.from(sessions.values())
      .filter(({ turns }) => Array.from(turns.values()).every(({ state }) => state === "ended"))
      .map(({ session: { principal, sessionId, updatedAt } }) => ({
        principal,
        sessionId,
        updatedAt,
      }))
      .filter(({ updatedAt }) => updatedAt < before)
      .sort((one, other) => compare(keyOf(one), keyOf(other)))
      .filter((session) => after === undefined || compare(keyOf(session), keyOf(after)) > 0)
      .slice(0, count);
  }

  function unfinishedTurns() {
    return Array.from(sessions.values())
      .flatMap(({ turns }) => Array.from(turns.values()))
      .flatMap(({ turn, state, fence }) => (state === "ended" ? [] : [{ turn, state, fence }]))
      .sort((one, other) => one.turn.createdAt - other.turn.createdAt);
  }

  return {
    createSession: async (session, requestKey, sessionsMax) =>
      structuredClone(createSession(structuredClone(session), requestKey, sessionsMax)),

    async getSession(principal, sessionId) {
      const found = find(principal, sessionId);
      return found && toDetails(found);
    },

    async updateSession(principal, sessionId, changes, etag, updatedAt) {
      const stored = require(principal, sessionId);
      updateSession(stored, structuredClone(changes), etag);
      touch(stored, updatedAt);
      return toDetails(stored);
    },

    forkSession: async (fork) => toDetails(forkSession(fork)),

    async listSessions(principal, { pageSize, pageToken, query }) {
      const list = sessionsList(principal, query);
      const after = parsePageToken(list, pageToken);
      const words = parseQuery(query);
      const found = sessionsOf(principal)
        .filter(({ session }) => after === undefined || compare(keyOf(session), after) < 0)
        .filter((stored) => query === "" || hasWords(stored, words))
        .sort((one, other) => compare(keyOf(other.session), keyOf(one.session)));
      const page = createPage(list, found, pageSize, ({ session }) => keyOf(session));
      return { ...page, items: page.items.map(toDetails) };
    },

    countSessions: async (principal) => sessionsOf(principal).length,

    async deleteSession(principal, sessionId, deletedAt) {
      if (!find(principal, sessionId)) return false;
      requests.sessionDeleted(sessionId, deletedAt);
      deleted.add(sessionId);
      return sessions.delete(sessionId);
    },

    createTurn: async (newTurn) => createTurn(structuredClone(newTurn)),
    findRequest: async (principal, requestKey) => requests.find(principal, "turn", requestKey),
    findTurnByRequestId: async (principal, requestId) => requests.findTurn(principal, requestId),
    tokensUsed: async (principal, at) => usage.tokensUsed(principal, at),

    async getTurn(principal, sessionId, turnId) {
      const found = find(principal, sessionId)?.turns.get(turnId);
      return found && toStoredTurn(found);
    },

    async acquireTurn(sessionId) {
      const found = sessions.get(sessionId);
      return found === undefined ? "idle" : structuredClone(startTurn(found));
    },

    async withdrawTurn(sessionId, turnId) {
      const found = sessions.get(sessionId);
      return found !== undefined && withdrawTurn(found, turnId);
    },

    async replaceMessages(sessionId, messageIds, byTurnId) {
      const found = sessions.get(sessionId);
      if (found) replaceMessages(found, messageIds, byTurnId);
    },

    endTurn: async (end) => endTurn(structuredClone(end)),

    async listMessages(principal, sessionId, page) {
      const { pageSize, pageToken, newestFirst, includeReplaced } = page;
      const list = messagesList(principal, sessionId, page);
      const after = parsePageToken(list, pageToken);
      const stored = require(principal, sessionId);
      const moved = after && findEntry(stored, after.id);
      const from = moved?.order ?? after?.order;
      const sign = newestFirst ? -1 : 1;
      const found = (includeReplaced ? stored.messages : visibleMessages(stored))
        .filter(({ order }) => from === undefined || (order - from) * sign > 0)
        .sort((one, other) => (one.order - other.order) * sign);
      const slice = takePage(found, pageSize, (entry) => entry);
      const { items, nextPageToken } = createPageOf(list, slice, (item) => {
        return { order: item.order, id: item.message.messageId };
      });
      return { items: items.map(({ message }) => structuredClone(message)), nextPageToken };
    },

    async getMessage(principal, sessionId, messageId) {
      const stored = find(principal, sessionId);
      return structuredClone(stored && findEntry(stored, messageId)?.message);
    },

    async turnsAfter(sessionId, sequence, count) {
      const turns = Array.from(sessions.get(sessionId)?.turns.values() ?? []);
      return turns
        .map((turn) => ({ turn, first: firstAfter(turn.end, sequence) }))
        .filter(({ first }) => first < Number.POSITIVE_INFINITY)
        .sort((one, other) => one.first - other.first)
        .slice(0, count)
        .map(({ turn }) => toStoredTurn(turn));
    },

    listExpired: async (request) => structuredClone(listExpired(request)),

    unfinishedTurns: async () => structuredClone(unfinishedTurns()),

    deletedSessions: async () => Array.from(deleted),
    forgetDeleted: async (sessionId) => void deleted.delete(sessionId),

    async raiseEpoch(sessionId) {
      const found = sessions.get(sessionId);
      if (found === undefined) throw sessionNotFound(sessionId);
      found.epoch += 1;
      return found.epoch;
    },

    check: async () => {},
    async tidy() {
      requests.forget(clock.now());
      usage.forget(clock.now());
    },
    close: () => {},
  };
}

/** Sequence of the turn's first event after `sequence`; infinite where it has none, or no end yet. */
function firstAfter(end: TurnEnd | undefined, sequence: number): number {
  const entry = end?.layout.find((one) => one.sequence > sequence);
  return entry?.sequence ?? Number.POSITIVE_INFINITY;
}

function keyOf({ updatedAt, sessionId }: Pick<Session, "updatedAt" | "sessionId">): PageKey {
  return { order: updatedAt, id: sessionId };
}

function compare(one: PageKey, other: PageKey): number {
  if (one.order !== other.order) return one.order - other.order;
  if (one.id === other.id) return 0;
  return one.id < other.id ? -1 : 1;
}
