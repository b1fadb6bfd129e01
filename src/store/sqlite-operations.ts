import type { Connection } from "../sqlite/connection.ts";
import type { Migration, OperationTable } from "../sqlite/module.ts";
import { sessionsTurnsMessages } from "./migrations/0001-sessions-turns-messages.ts";
import { requestsReplacementsSearch } from "./migrations/0002-requests-replacements-search.ts";
import { forkSession } from "./sqlite-fork.ts";
import { getMessage, listMessages } from "./sqlite-messages.ts";
import { forgetSome, removeSome } from "./sqlite-removal.ts";
import { findRequest, findTurnByRequestId } from "./sqlite-requests.ts";
import { listMatched, matchWord } from "./sqlite-search.ts";
import { indexSome } from "./sqlite-search-index.ts";
import {
  countSessions,
  createSession,
  deletedSessions,
  deleteSession,
  forgetDeleted,
  getSession,
  listSessions,
  raiseEpoch,
  updateSession,
} from "./sqlite-sessions.ts";
import { endTurn, getTurn, turnsAfter, unfinishedTurns } from "./sqlite-turn-ends.ts";
import { acquireTurn, createTurn, replaceMessages, withdrawTurn } from "./sqlite-turns.ts";

/** What the database's worker imports of the store, see sqlite/module.ts. */
export const moduleName = "store";

export const migrations: readonly Migration[] = [sessionsTurnsMessages, requestsReplacementsSearch];

/** How long one slice of background work may take of the worker that appends wait for, milliseconds. */
const sliceMsMax = 3;

export const operations = {
  createSession,
  getSession,
  updateSession,
  forkSession,
  listSessions,
  countSessions,
  deleteSession,
  createTurn,
  findRequest,
  findTurnByRequestId,
  getTurn,
  acquireTurn,
  withdrawTurn,
  replaceMessages,
  endTurn,
  listMessages,
  getMessage,
  turnsAfter,
  unfinishedTurns,
  deletedSessions,
  forgetDeleted,
  raiseEpoch,
  matchWord,
  listMatched,

  /** Does a slice of what waits in the background. False when nothing is left. */
  tidy(connection: Connection, { now }: { now: number }): boolean {
    const until = performance.now() + sliceMsMax;
    const isOver = () => performance.now() >= until;
    return (
      removeSome(connection, isOver) ||
      forgetSome(connection, now, isOver) ||
      indexSome(connection, isOver)
    );
  },
} satisfies OperationTable;

export type StoreOperations = typeof operations;
