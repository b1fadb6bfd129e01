import type { Connection, SqlValues } from "../../../src/sqlite/connection.ts";
import type { Migration, OperationTable } from "../../../src/sqlite/module.ts";
import { sessionsTurnsMessages } from "../../../src/store/migrations/0001-sessions-turns-messages.ts";

/** The store's module as the first release had it: its schema, and any statement. */
export const moduleName = "store";

export const migrations: readonly Migration[] = [sessionsTurnsMessages];

export const operations = {
  run: (connection: Connection, { sql, values }: { sql: string; values: SqlValues }) =>
    connection.run(sql, values),
} satisfies OperationTable;

export type FirstReleaseOperations = typeof operations;
