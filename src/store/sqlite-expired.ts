import type { ExpiredRequest, ExpiredSession } from "../chat/store.ts";
import type { Connection } from "../sqlite/connection.ts";

/** Up to `count` idle sessions that last changed before a time, those that changed first ahead. */
export function listExpired(
  connection: Connection,
  { before, count, after }: ExpiredRequest,
): ExpiredSession[] {
  return connection.all<ExpiredSession>(
    `SELECT principal, session_id AS sessionId, updated_at AS updatedAt FROM sessions
     WHERE deleted_at IS NULL AND updated_at < :before AND (updated_at, session_id) > (:order, :id)
       AND NOT EXISTS (
         SELECT 1 FROM turns
         WHERE turns.principal = sessions.principal AND turns.session_id = sessions.session_id
           AND turns.ended_at IS NULL
       )
     ORDER BY updated_at, session_id LIMIT :count`,
    { before, count, order: after?.updatedAt ?? 0, id: after?.sessionId ?? "" },
  );
}
