import { sessionNotFound } from "../chat/errors.ts";
import type { SessionDetails } from "../chat/session.ts";
import type { NewFork } from "../chat/store.ts";
import type { Connection } from "../sqlite/connection.ts";
import { forkEndNotFound } from "./errors.ts";
import type { MessageOrder } from "./message-order.ts";
import { latestPreview } from "./sqlite-messages.ts";
import { addUse, findUse } from "./sqlite-requests.ts";
import { addSearchJobsOfSession } from "./sqlite-search-jobs.ts";
import { insertSession, requireDetails } from "./sqlite-sessions.ts";

export type ForkArgs = Omit<NewFork, "newMessageId"> & {
  /** For the copies; more of them than there are messages do no harm. */
  newMessageIds: readonly string[];
};

/** The fork, or how many ids it needs where too few were given; then nothing was changed. */
export function forkSession(
  connection: Connection,
  fork: ForkArgs,
): SessionDetails | { idsNeeded: number } {
  const { principal, fromSessionId, sessionId, title, createdAt, requestKey } = fork;
  const used = findUse(connection, principal, "fork", requestKey);
  if (used) return requireDetails(connection, principal, used.sessionId);
  const original = requireDetails(connection, principal, fromSessionId);
  const lastOrder = lastOrderOf(connection, fork);
  const idsNeeded = countMessages(connection, fork, lastOrder);
  if (idsNeeded > fork.newMessageIds.length) return { idsNeeded };
  const times = { createdAt, updatedAt: createdAt };
  const session = { ...original, sessionId, title: title || original.title, ...times };
  insertSession(connection, session, fork.sessionsMax);
  copyMessages(connection, fork, lastOrder);
  countCopies(connection, fork);
  addSearchJobsOfSession(connection, sessionId);
  if (requestKey) {
    addUse(connection, principal, "fork", requestKey, { sessionId, turnId: "", createdAt });
  }
  return requireDetails(connection, principal, sessionId);
}

/** What of the original is copied: what its history shows, and no turn that runs or waits. */
const copied = `principal = :principal AND session_id = :fromSessionId AND replaced_by_turn_id IS NULL
  AND state <> 'queued' AND ord <= :lastOrder AND NOT EXISTS
    (SELECT 1 FROM sessions AS running WHERE running.session_id = :fromSessionId
       AND running_turn_id <> '' AND running_turn_id = messages.turn_id)`;

/** Where the last message stands that the fork keeps. Throws `not_found` where it shows none. */
function lastOrderOf(
  connection: Connection,
  { principal, fromSessionId, upToMessageId }: ForkArgs,
): MessageOrder {
  if (upToMessageId === "") return Number.MAX_SAFE_INTEGER;
  const row = connection.get<{ ord: MessageOrder }>(
    `SELECT ord FROM messages
     WHERE session_id = :fromSessionId AND principal = :principal AND message_id = :upToMessageId
       AND replaced_by_turn_id IS NULL AND state <> 'queued'`,
    { principal, fromSessionId, upToMessageId },
  );
  if (row === undefined) throw forkEndNotFound(upToMessageId);
  return row.ord;
}

function countMessages(
  connection: Connection,
  { principal, fromSessionId }: ForkArgs,
  lastOrder: MessageOrder,
): number {
  const sql = `SELECT count(*) AS count FROM messages WHERE ${copied}`;
  const row = connection.get<{ count: number }>(sql, { principal, fromSessionId, lastOrder });
  return row?.count ?? 0;
}

/** Turns and sequences are the original's: a copy belongs to no turn, and no event is folded into it. */
function copyMessages(
  connection: Connection,
  { principal, fromSessionId, sessionId, newMessageIds }: ForkArgs,
  lastOrder: MessageOrder,
): void {
  connection.run(
    `INSERT INTO messages (message_id, session_id, principal, turn_id, role, state, ord, parts,
       created_at, request_id, model, finish_reason, usage, error_reason, error_message, sequence)
     SELECT ids.value, :sessionId, principal, '', role, state, ord, parts,
       created_at, '', model, finish_reason, usage, error_reason, error_message, 0
     FROM json_each(:ids) AS ids CROSS JOIN (
       SELECT *, row_number() OVER (ORDER BY ord) - 1 AS place FROM messages WHERE ${copied}
     ) AS originals ON originals.place = ids.key`,
    { principal, fromSessionId, sessionId, lastOrder, ids: JSON.stringify(newMessageIds) },
  );
}

function countCopies(
  connection: Connection,
  { principal, fromSessionId, sessionId }: ForkArgs,
): void {
  const changed = connection.run(
    `UPDATE sessions SET forked_from_session_id = :fromSessionId, preview = :preview,
       turns_started = (SELECT turns_started FROM sessions WHERE session_id = :fromSessionId),
       user_messages = (
         SELECT count(*) FROM messages WHERE session_id = :sessionId AND role = 'user'),
       model_messages = (
         SELECT count(*) FROM messages WHERE session_id = :sessionId AND role = 'model')
     WHERE session_id = :sessionId`,
    { fromSessionId, sessionId, preview: latestPreview(connection, principal, sessionId) },
  );
  if (changed === 0) throw sessionNotFound(sessionId);
}
