import type { Connection } from "../sqlite/connection.ts";
import type { Migration, OperationTable } from "../sqlite/module.ts";
import { sessionsTurnsMessages } from "./migrations/0001-sessions-turns-messages.ts";
import { requestsReplacementsSearch } from "./migrations/0002-requests-replacements-search.ts";
import { sessionActivity } from "./migrations/0003-session-activity.ts";
import { turnTraces } from "./migrations/0004-turn-traces.ts";
import { principalUsage } from "./migrations/0005-principal-usage.ts";
import { listExpired } from "./sqlite-expired.ts";
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
import { forgetTokens, tokensUsed } from "./sqlite-usage.ts";

/** What the database's worker imports of the store, see sqlite/module.ts. */
export const moduleName = "store";

export const migrations: readonly Migration[] = [
  sessionsTurnsMessages,
  requestsReplacementsSearch,
  sessionActivity,
  turnTraces,
  principalUsage,
];

/** How long one slice of background work may take of the worker that appends wait for, milliseconds. */
const sliceMsMax = 1.5;

export const operations = {
  createSession,
  getSession,
  updateSession,
  forkSession,
  deleteSession,
  createTurn,
  findRequest,
  findTurnByRequestId,
  tokensUsed,
  getTurn,
  acquireTurn,
  withdrawTurn,
  replaceMessages,
  endTurn,
  getMessage,
  unfinishedTurns,
  deletedSessions,
  forgetDeleted,
  raiseEpoch,

  /** Does a slice of what waits in the background. False when nothing is left. */
  tidy(connection: Connection, { now }: { now: number }): boolean {
    const until = performance.now() + sliceMsMax;
    const isOver = () => performance.now() >= until;
    return (
      removeSome(connection, isOver) ||
      forgetSome(connection, now, isOver) ||
      forgetTokens(connection, now, isOver) ||
      indexSome(connection, isOver)
    );
  },
} satisfies OperationTable;

/** What may take long, on the thread beside the writes. */
export const reads = {
  listSessions,
  countSessions,
  listMessages,
  turnsAfter,
  listExpired,
  matchWord,
  listMatched,
} satisfies OperationTable;

export type StoreOperations = typeof operations;

export type StoreReads = typeof reads;
