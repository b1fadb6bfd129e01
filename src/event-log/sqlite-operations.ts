import type { Connection } from "../sqlite/connection.ts";
import type { Migration, OperationTable } from "../sqlite/module.ts";
import { ticks } from "./migrations/0001-ticks.ts";
import { archive } from "./migrations/0002-archive.ts";
import type { ArchivedEvent, Head, Redundant, Tick } from "./tick.ts";

/** What the database's worker imports of the event log, see sqlite/module.ts. */
export const moduleName = "eventLog";

export const migrations: readonly Migration[] = [ticks, archive];

/** A tick may be as large as it likes, but what is read at once is bounded: characters of JSON. */
const loadCharactersMax = 1_048_576;

type Drop = { sessionId: string; throughTickId: number };

export const operations = {
  append(connection: Connection, tick: Tick | undefined): void {
    if (tick === undefined) return;
    const sql = "INSERT INTO event_ticks (id, at, body) VALUES (:id, :at, :body)";
    connection.run(sql, tick);
  },

  /** Some ticks after `afterId`, in order; none at the end. */
  load(connection: Connection, { afterId }: { afterId: number }): Tick[] {
    const found: Tick[] = [];
    let characters = 0;
    let lastId = afterId;
    while (characters < loadCharactersMax) {
      const tick = connection.get<Tick>(
        "SELECT id, at, body FROM event_ticks WHERE id > :lastId ORDER BY id LIMIT 1",
        { lastId },
      );
      if (tick === undefined) break;
      found.push(tick);
      characters += tick.body.length;
      lastId = tick.id;
    }
    return found;
  },

  loadHeads: (connection: Connection): Head[] =>
    connection.all<Head>(
      "SELECT session_id AS sessionId, last_sequence AS lastSequence, fence FROM event_heads",
    ),

  loadDrops: (connection: Connection): Drop[] =>
    connection.all<Drop>(
      "SELECT session_id AS sessionId, through_tick_id AS throughTickId FROM event_drops",
    ),

  remove(connection: Connection, { archived, tickIds, heads }: Redundant): void {
    for (const { sessionId, sequence, body } of archived) {
      connection.run(
        `INSERT OR IGNORE INTO event_archive (session_id, sequence, body)
         VALUES (:sessionId, :sequence, :body)`,
        { sessionId, sequence, body },
      );
    }
    for (const head of heads) note(connection, head);
    for (const id of tickIds) connection.run("DELETE FROM event_ticks WHERE id = :id", { id });
    // Nothing is left that these would hide.
    connection.run(
      `DELETE FROM event_drops
       WHERE through_tick_id < (SELECT coalesce(min(id), through_tick_id + 1) FROM event_ticks)`,
    );
  },

  /** Archived events of the session after one sequence and up to another, in order. */
  archived: (
    connection: Connection,
    range: { sessionId: string; afterSequence: number; throughSequence: number },
  ): ArchivedEvent[] =>
    connection.all<ArchivedEvent>(
      `SELECT session_id AS sessionId, sequence, body FROM event_archive
       WHERE session_id = :sessionId AND sequence > :afterSequence AND sequence <= :throughSequence
       ORDER BY sequence`,
      range,
    ),

  note,

  drop(connection: Connection, { sessionId, throughTickId }: Drop): void {
    connection.run("DELETE FROM event_heads WHERE session_id = :sessionId", { sessionId });
    connection.run("DELETE FROM event_archive WHERE session_id = :sessionId", { sessionId });
    connection.run(
      `INSERT INTO event_drops (session_id, through_tick_id) VALUES (:sessionId, :throughTickId)
       ON CONFLICT DO UPDATE SET through_tick_id = excluded.through_tick_id`,
      { sessionId, throughTickId },
    );
  },
} satisfies OperationTable;

function note(connection: Connection, { sessionId, lastSequence, fence }: Head): void {
  connection.run(
    `INSERT INTO event_heads (session_id, last_sequence, fence)
     VALUES (:sessionId, :lastSequence, :fence)
     ON CONFLICT DO UPDATE SET last_sequence = excluded.last_sequence, fence = excluded.fence`,
    { sessionId, lastSequence, fence },
  );
}

export type EventLogOperations = typeof operations;
