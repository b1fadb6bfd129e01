import type { Connection } from "../sqlite/connection.ts";
import type { Migration, OperationTable } from "../sqlite/module.ts";
import { sessionsTurnsMessages } from "./migrations/0001-sessions-turns-messages.ts";
import { listMessages } from "./sqlite-messages.ts";
import {
  countSessions,
  createSession,
  deleteSession,
  getSession,
  listSessions,
} from "./sqlite-sessions.ts";
import {
  acquireTurn,
  createTurn,
  discardQueuedTurn,
  endTurn,
  unfinishedTurns,
} from "./sqlite-turns.ts";

/** What the database's worker imports of the store, see sqlite/module.ts. */
export const moduleName = "store";

export const migrations: readonly Migration[] = [sessionsTurnsMessages];

export const operations = {
  createSession,
  getSession,
  listSessions,
  countSessions,
  deleteSession,
  createTurn,
  acquireTurn,
  discardQueuedTurn,
  endTurn,
  listMessages,
  unfinishedTurns,
  check: (connection: Connection) => {
    connection.get("SELECT 1 FROM sessions LIMIT 1");
  },
} satisfies OperationTable;

export type StoreOperations = typeof operations;
