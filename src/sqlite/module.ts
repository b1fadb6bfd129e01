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

/** What an adapter brings to the worker; a module file exports these names. */
export type OperationModule = {
  /** Prefixes its operations' names, and tells its migrations from those of others. */
  moduleName: string;
  operations: OperationTable;
  /** Those that only read, and may be long: they run on the reading thread, see Database.read. */
  reads?: OperationTable;
  migrations: readonly Migration[];
};

/** The operations of all modules by their full names. */
export function fullTable(
  modules: readonly OperationModule[],
  pick: (module: OperationModule) => OperationTable | undefined,
): Record<string, Operation> {
  const table: Record<string, Operation> = {};
  for (const module of modules) {
    for (const [name, operation] of Object.entries(pick(module) ?? {})) {
      table[`${module.moduleName}.${name}`] = operation;
    }
  }
  return table;
}
