import type { DatabaseSync } from "node:sqlite";
import type { Connection } from "./connection.ts";
import type { Outcome } from "./protocol.ts";

/** Bytes that have to find room: a tick of a busy server. */
const probeBytes = 65_536;

/** Whether the file takes writes. It is tried only after it has refused one. */
export interface WriteCheck {
  /** To be called with what each batch came to. */
  note(outcomes: readonly Outcome[]): void;
  /** An operation: throws what SQLite says while the file still takes no writes. */
  run(connection: Connection): void;
}

export function createWriteCheck(database: DatabaseSync): WriteCheck {
  let isDoubtful = false;
  let isTried = false;
  return {
    note(outcomes) {
      const hasFailed = outcomes.some(isStorageFailure);
      // The batch that has tried is over and has not failed: it is committed.
      if (isTried && !hasFailed) isDoubtful = false;
      if (hasFailed) isDoubtful = true;
      isTried = false;
    },
    run(connection) {
      connection.get("SELECT 1 FROM sqlite_schema LIMIT 1");
      if (!isDoubtful) return;
      isTried = true;
      // Takes the room and gives it back; the commit writes it.
      database.exec(`CREATE TABLE write_check (filler BLOB);
        INSERT INTO write_check VALUES (zeroblob(${probeBytes}));
        DROP TABLE write_check`);
    },
  };
}

function isStorageFailure(outcome: Outcome): boolean {
  if (!("error" in outcome) || outcome.error.type !== "chat") return false;
  return outcome.error.reason === "STORAGE_UNAVAILABLE";
}
