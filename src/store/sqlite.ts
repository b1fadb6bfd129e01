import { type Clock, systemClock } from "../chat/clock.ts";
import type { Principal, SessionDetails } from "../chat/session.ts";
import type { NewFork, Page, PageRequest } from "../chat/store.ts";
import {
  type Caller,
  createCaller,
  createReader,
  type Database,
  type Reader,
} from "../sqlite/database.ts";
import { siblingModule } from "../sqlite/sibling-module.ts";
import { messagesList, sessionsList } from "./lists.ts";
import { createPage, createPageOf, type PageKey, parsePageToken } from "./page-token.ts";
import { parseQuery, type QueryWord } from "./search-words.ts";
import type { StoreOperations, StoreReads } from "./sqlite-operations.ts";
import type { MatchSlice } from "./sqlite-search.ts";
import { createTidier, type TidyStore } from "./tidier.ts";

/** What the database has to be opened with for this store. */
export const storeModule: URL = siblingModule("sqlite-operations", import.meta.url);

const durable = { durable: true };

type Call = Caller<StoreOperations>;
type Read = Reader<StoreReads>;

/** The store in a SQLite file, whose threads run the operations; see sqlite-operations.ts. */
export function createSqliteStore(
  database: Database,
  { clock = systemClock }: { clock?: Clock } = {},
): TidyStore {
  const read = createCaller<StoreOperations>(database, "store");
  const readLong = createReader<StoreReads>(database, "store");
  const tidier = createTidier(() =>
    read("tidy", () => ({ now: clock.now() }), { durable: false, background: true }),
  );
  const write: Call = async (name, args) => {
    const result = await read(name, args, durable);
    tidier.wake();
    return result;
  };
  return {
    createSession: (session, requestKey, sessionsMax) =>
      write("createSession", { session, requestKey, sessionsMax }),
    getSession: (principal, sessionId) => read("getSession", { principal, sessionId }),
    updateSession: (principal, sessionId, changes, etag, updatedAt) =>
      write("updateSession", { principal, sessionId, changes, etag, updatedAt }),
    forkSession: (fork) => forkSession(write, fork),
    listSessions: (principal, page) => listSessions(readLong, principal, page),
    countSessions: (principal) => readLong("countSessions", { principal }),
    deleteSession: (principal, sessionId, deletedAt) =>
      write("deleteSession", { principal, sessionId, deletedAt }),
    createTurn: (newTurn) => write("createTurn", newTurn),
    findRequest: (principal, requestKey) => read("findRequest", { principal, requestKey }),
    findTurnByRequestId: (principal, requestId) =>
      read("findTurnByRequestId", { principal, requestId }),
    tokensUsed: (principal, at) => read("tokensUsed", { principal, at }),
    getTurn: (principal, sessionId, turnId) => read("getTurn", { principal, sessionId, turnId }),
    acquireTurn: (sessionId, owner) => write("acquireTurn", { sessionId, owner }),
    withdrawTurn: (sessionId, turnId) => write("withdrawTurn", { sessionId, turnId }),
    replaceMessages: (sessionId, messageIds, byTurnId) =>
      write("replaceMessages", { sessionId, messageIds, byTurnId }),
    endTurn: (end) => write("endTurn", end),

    async listMessages(principal, sessionId, page) {
      const { pageSize, pageToken, newestFirst, includeReplaced } = page;
      const list = messagesList(principal, sessionId, page);
      const after = parsePageToken(list, pageToken);
      const order = { newestFirst, includeReplaced };
      const args = { principal, sessionId, ...order, count: pageSize, after };
      const slice = await readLong("listMessages", args);
      const { items, nextPageToken } = createPageOf(list, slice, (item) => {
        return { order: item.order, id: item.message.messageId };
      });
      return { items: items.map(({ message }) => message), nextPageToken };
    },

    getMessage: (principal, sessionId, messageId) =>
      read("getMessage", { principal, sessionId, messageId }),
    turnsAfter: (sessionId, sequence, count) =>
      readLong("turnsAfter", { sessionId, sequence, count }),
    listExpired: (request) => readLong("listExpired", request),
    unfinishedTurns: () => read("unfinishedTurns", undefined),
    deletedSessions: () => read("deletedSessions", undefined),
    forgetDeleted: (sessionId) => write("forgetDeleted", { sessionId }),
    raiseEpoch: (sessionId) => write("raiseEpoch", { sessionId }),
    check: () => database.check(),
    tidy: () => tidier.tidy(),
    close: () => tidier.close(),
  };
}

async function listSessions(
  read: Read,
  principal: Principal,
  { pageSize, pageToken, query }: PageRequest & { query: string },
): Promise<Page<SessionDetails>> {
  const list = sessionsList(principal, query);
  const after = parsePageToken(list, pageToken);
  const args = { principal, count: pageSize + 1, after };
  const words = parseQuery(query);
  const found = query === "" ? await read("listSessions", args) : await search(read, words, args);
  return createPage(list, found, pageSize, ({ updatedAt, sessionId }) => {
    return { order: updatedAt, id: sessionId };
  });
}

/** Up to `count` sessions that have all the words (at least one), latest change first; read in slices. */
async function search(
  read: Read,
  words: readonly QueryWord[],
  { principal, count, after }: { principal: Principal; count: number; after: PageKey | undefined },
): Promise<SessionDetails[]> {
  let matched: Set<number> | undefined;
  if (words.length === 0) return [];
  for (const queryWord of words) {
    const sessions = await matchAll(read, principal, queryWord);
    matched = matched?.intersection(sessions) ?? sessions;
    if (matched.size === 0) return [];
  }
  const found: SessionDetails[] = [];
  const sessions = matched ?? new Set();
  for (let from: PageKey | undefined = after; ; ) {
    const rest = { principal, sessions, count: count - found.length, after: from };
    const slice: Awaited<ReturnType<typeof listSlice>> = await listSlice(read, rest);
    found.push(...slice.sessions);
    if (slice.next === undefined || found.length >= count) return found;
    from = slice.next;
  }
}

function listSlice(read: Read, args: Parameters<StoreReads["listMatched"]>[1]) {
  return read("listMatched", args);
}

async function matchAll(
  read: Read,
  principal: Principal,
  queryWord: QueryWord,
): Promise<Set<number>> {
  let sessions = new Set<number>();
  for (let from: number | undefined = 0; from !== undefined; ) {
    const slice: MatchSlice = await read("matchWord", { principal, queryWord, from });
    sessions = sessions.size === 0 ? slice.sessions : sessions.union(slice.sessions);
    from = slice.next;
  }
  return sessions;
}

/** The copies' ids are made here; how many are needed the database alone knows. */
async function forkSession(
  write: Call,
  { newMessageId, ...fork }: NewFork,
): Promise<SessionDetails> {
  for (let ids = 64; ; ) {
    const newMessageIds = Array.from({ length: ids }, newMessageId);
    const made = await write("forkSession", { ...fork, newMessageIds });
    if (!("idsNeeded" in made)) return made;
    ids = made.idsNeeded + 64;
  }
}
