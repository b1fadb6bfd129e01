import type { Principal, SessionDetails } from "../chat/session.ts";
import type { Connection, SqlValues } from "../sqlite/connection.ts";
import type { PageKey } from "./page-token.ts";
import type { QueryWord } from "./search-words.ts";
import { type SessionRow, selectSession, toSession } from "./sqlite-sessions.ts";

/*
 * A row of the search index is found by its principal, its session and its number among the session's:
 * 20, 22 and 21 bits of the rowid. So the rows of a principal stand together, in the order of sessions: a
 * search reads no others, and goes on from one session to the next, in slices between which the reading
 * thread does what else there is to do.
 */

/** Rows of the index that one slice reads: a few milliseconds. */
const sliceRowsMax = 5_000;
/** Sessions of the list that one slice looks at. */
const sliceSessionsMax = 500;
/** Letters that the index's own prefixes have at most, see migration 0002. */
const indexedPrefixMax = 3;

export type MatchArgs = {
  principal: Principal;
  queryWord: QueryWord;
  /** The first session to look at, by its number. */
  from: number;
};

/** Numbers of sessions that have the word, and where the next slice begins; none at the end. */
export type MatchSlice = { sessions: Set<number>; next?: number };

/**
 * For a longer beginning of words there are no slices: FTS5 joins the rows of all the words that have it
 * before it gives the first, and would do so again for each slice.
 */
export function matchWord(
  connection: Connection,
  { principal, queryWord: { word, isPrefix }, from }: MatchArgs,
): MatchSlice {
  const sessions = new Set<number>();
  const found = connection.get<{ number: number }>(
    "SELECT principal_number AS number FROM search_principals WHERE principal = :principal",
    { principal },
  );
  if (found === undefined) return { sessions };
  const isSliced = !isPrefix || Array.from(word).length <= indexedPrefixMax;
  const rows = connection.each<{ session: number }>(
    `SELECT (rowid >> 21) & 4194303 AS session FROM search
     WHERE search MATCH :match AND rowid >= (:principal << 43) | (:from << 21)
       AND rowid < (:principal + 1) << 43
     ORDER BY rowid`,
    {
      // Nothing but letters, digits and marks, so that no word can be an operator (see search-words.ts).
      match: isPrefix ? `"${word}"*` : `"${word}"`,
      principal: found.number,
      from,
    },
  );
  let count = 0;
  for (const { session } of rows) {
    // Between two sessions, so that the next slice begins with a whole one.
    if (isSliced && count >= sliceRowsMax && !sessions.has(session)) {
      return { sessions, next: session };
    }
    sessions.add(session);
    count += 1;
  }
  return { sessions };
}

export type MatchedListArgs = {
  principal: Principal;
  /** Numbers of the sessions to list. */
  sessions: ReadonlySet<number>;
  count: number;
  after: PageKey | undefined;
};

/** Some of these sessions, latest change first, and where the next slice begins; nowhere at the end. */
export type MatchedListSlice = { sessions: SessionDetails[]; next?: PageKey };

export function listMatched(
  connection: Connection,
  { principal, sessions, count, after }: MatchedListArgs,
): MatchedListSlice {
  const values: SqlValues = { principal, count: sliceSessionsMax };
  if (after !== undefined) Object.assign(values, { order: after.order, id: after.id });
  const rows = connection.all<{ id: string; order: number; session: number | null }>(
    `SELECT session_id AS id, updated_at AS "order", (
       SELECT session_number FROM search_sessions
       WHERE search_sessions.session_id = sessions.session_id
     ) AS session
     FROM sessions WHERE principal = :principal AND deleted_at IS NULL
       ${after === undefined ? "" : "AND (updated_at, session_id) < (:order, :id)"}
     ORDER BY updated_at DESC, session_id DESC LIMIT :count`,
    values,
  );
  const matched = rows.filter(({ session }) => session !== null && sessions.has(session));
  const details = matched.slice(0, count).flatMap(({ id }) => {
    const row = connection.get<SessionRow>(`${selectSession} WHERE session_id = :id`, { id });
    return row === undefined ? [] : [toSession(row)];
  });
  const last = rows.at(-1);
  if (last === undefined || rows.length < sliceSessionsMax) return { sessions: details };
  return { sessions: details, next: { order: last.order, id: last.id } };
}
