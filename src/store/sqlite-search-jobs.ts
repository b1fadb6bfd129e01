import type { Connection } from "../sqlite/connection.ts";

/** Has a message looked at again for the search index, later; the session's title for an empty id. */
export function addSearchJob(connection: Connection, sessionId: string, messageId: string): void {
  connection.run(
    "INSERT INTO search_jobs (session_id, message_id) VALUES (:sessionId, :messageId)",
    { sessionId, messageId },
  );
}

/** The same for many messages; `ids` is a JSON array. */
export function addSearchJobs(connection: Connection, sessionId: string, ids: string): void {
  connection.run(
    `INSERT INTO search_jobs (session_id, message_id)
     SELECT :sessionId, value FROM json_each(:ids)`,
    { sessionId, ids },
  );
}

/** The same for every message of a session. */
export function addSearchJobsOfSession(connection: Connection, sessionId: string): void {
  connection.run(
    `INSERT INTO search_jobs (session_id, message_id)
     SELECT session_id, message_id FROM messages WHERE session_id = :sessionId`,
    { sessionId },
  );
}
