import type { Store } from "../chat/store.ts";
import { createCaller, type Database } from "../sqlite/database.ts";
import { siblingModule } from "../sqlite/sibling-module.ts";
import { messagesList, sessionsList } from "./lists.ts";
import { createPage, parsePageToken } from "./page-token.ts";
import type { StoreOperations } from "./sqlite-operations.ts";

/** What the database has to be opened with for this store. */
export const storeModule: URL = siblingModule("sqlite-operations", import.meta.url);

const durable = { durable: true };

/** The store in a SQLite file, whose worker runs the operations; see sqlite-operations.ts. */
export function createSqliteStore(database: Database): Store {
  const call = createCaller<StoreOperations>(database, "store");
  return {
    createSession: (session) => call("createSession", session, durable),
    getSession: (principal, sessionId) => call("getSession", { principal, sessionId }),

    async listSessions(principal, { pageSize, pageToken }) {
      const list = sessionsList(principal);
      const after = parsePageToken(list, pageToken);
      const sessions = await call("listSessions", { principal, count: pageSize + 1, after });
      return createPage(list, sessions, pageSize, ({ updatedAt, sessionId }) => ({
        order: updatedAt,
        id: sessionId,
      }));
    },

    countSessions: (principal) => call("countSessions", { principal }),
    deleteSession: (principal, sessionId) =>
      call("deleteSession", { principal, sessionId }, durable),
    createTurn: (newTurn) => call("createTurn", newTurn, durable),
    acquireTurn: (sessionId, owner) => call("acquireTurn", { sessionId, owner }, durable),
    discardQueuedTurn: (sessionId, turnId) =>
      call("discardQueuedTurn", { sessionId, turnId }, durable),
    endTurn: (end) => call("endTurn", end, durable),

    async listMessages(principal, sessionId, { pageSize, pageToken, newestFirst }) {
      const list = messagesList(principal, sessionId, newestFirst);
      const after = parsePageToken(list, pageToken);
      const args = { principal, sessionId, newestFirst, count: pageSize + 1, after };
      const found = await call("listMessages", args);
      const page = createPage(list, found, pageSize, ({ message, order }) => ({
        order,
        id: message.messageId,
      }));
      return { ...page, items: page.items.map(({ message }) => message) };
    },

    unfinishedTurns: () => call("unfinishedTurns", undefined),
    check: () => call("check", undefined),
  };
}
