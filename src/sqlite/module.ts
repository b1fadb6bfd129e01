import type { Connection } from "./connection.ts";

/**
 * Runs on the database's worker thread, inside a transaction that it shares with its neighbours. It is
 * synchronous, and it throws to undo what it did; arguments and result cross the thread by structured clone.
 */
// biome-ignore lint/suspicious/noExplicitAny: each operation names its own arguments, Caller<> checks them
export type Operation = (connection: Connection, args: any) => unknown;

export type OperationTable = Readonly<Record<string, Operation>>;

/** One step of a module's schema; it runs once, in a transaction of its own. */
export type Migration = {
  /** From 1, without gaps; never changed once released. */
  version: number;
  /** For people; also the file's name. */
  name: string;
  sql: string;
};

/** What an adapter brings to the worker; a module file exports these three names. */
export type OperationModule = {
  /** Prefixes its operations' names, and tells its migrations from those of others. */
  moduleName: string;
  operations: OperationTable;
  migrations: readonly Migration[];
};
