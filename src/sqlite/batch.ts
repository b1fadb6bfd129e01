import type { DatabaseSync } from "node:sqlite";
import { storageUnavailable } from "../chat/errors.ts";
import { type Connection, createConnection } from "./connection.ts";
import { asStorageUnavailable } from "./errors.ts";
import type { OperationTable } from "./module.ts";
import { type OperationRequest, type Outcome, serializeError } from "./protocol.ts";

/**
 * Runs what waits as one transaction (group commit): one write of the WAL, and where it is synced one
 * sync, for all of them. Its outcomes are in the order of the operations.
 *
 * An operation that throws is undone alone, by its savepoint. When the storage fails, the transaction is
 * gone; then each operation is tried in a transaction of its own, so that those which need no room (reads,
 * removals) still pass, and the others fail with STORAGE_UNAVAILABLE and have changed nothing.
 */
export type BatchRunner = (operations: readonly OperationRequest[], sync: boolean) => Outcome[];

export function createBatchRunner(database: DatabaseSync, table: OperationTable): BatchRunner {
  const connection = createConnection(database);
  const setSync = createSyncSwitch(database);

  function transaction(operations: readonly OperationRequest[]): Outcome[] {
    try {
      connection.run("BEGIN");
      const outcomes = operations.map((request) => runOne(database, connection, table, request));
      connection.run("COMMIT");
      return outcomes;
    } catch (error) {
      rollBack(database);
      throw error;
    }
  }

  return (operations, sync) => {
    try {
      setSync(sync);
      return transaction(operations);
    } catch (error) {
      if (operations.length > 1) return operations.flatMap((one) => attempt(transaction, one));
      return [failed(error)];
    }
  };
}

function attempt(
  transaction: (operations: readonly OperationRequest[]) => Outcome[],
  request: OperationRequest,
): Outcome[] {
  try {
    return transaction([request]);
  } catch (error) {
    return [failed(error)];
  }
}

/** The outcome of one operation. Throws only what takes the whole transaction with it. */
function runOne(
  database: DatabaseSync,
  connection: Connection,
  table: OperationTable,
  { name, args }: OperationRequest,
): Outcome {
  const operation = table[name];
  if (operation === undefined) return failed(new Error(`there is no operation "${name}"`));
  connection.run("SAVEPOINT operation");
  try {
    const value = operation(connection, args);
    connection.run("RELEASE operation");
    return { value };
  } catch (error) {
    // SQLite rolls the transaction back by itself when it runs out of room (sqlite.org/lang_transaction.html).
    if (!database.isTransaction || asStorageUnavailable(error) !== undefined) throw error;
    connection.run("ROLLBACK TO operation");
    connection.run("RELEASE operation");
    return failed(error);
  }
}

/** PRAGMA synchronous is set outside of transactions, and only when it changes. */
function createSyncSwitch(database: DatabaseSync): (sync: boolean) => void {
  let current: boolean | undefined;
  return (sync) => {
    if (sync === current) return;
    // In WAL mode NORMAL leaves the sync to the checkpoint, FULL does it at every commit.
    database.exec(`PRAGMA synchronous = ${sync ? "FULL" : "NORMAL"}`);
    current = sync;
  };
}

function rollBack(database: DatabaseSync): void {
  if (!database.isTransaction) return;
  try {
    database.exec("ROLLBACK");
  } catch (error) {
    // A transaction that can be neither committed nor undone would swallow what follows.
    if (database.isTransaction) throw storageUnavailable(error);
  }
}

function failed(error: unknown): Outcome {
  return { error: serializeError(asStorageUnavailable(error) ?? error) };
}
