import { DatabaseSync } from "node:sqlite";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { createBatchRunner } from "./batch.ts";
import { createWalGauge, emptyWal } from "./checkpoint.ts";
import {
  DatabaseInUseError,
  type DatabaseOwner,
  DatabaseTooNewError,
  DatabaseUnusableError,
} from "./errors.ts";
import { acquireLock, createPrivateFile, type DatabaseLock, resolveDatabaseFile } from "./lock.ts";
import { claim, migrate } from "./migrate.ts";
import { fullTable, type Operation, type OperationModule } from "./module.ts";
import {
  serializeError,
  type WorkerOptions,
  type WorkerReply,
  type WorkerRequest,
} from "./protocol.ts";
import { createWriteCheck, type WriteCheck } from "./write-check.ts";

/**
 * The one thread that writes the database file. It answers each batch when it has been committed, and
 * imports its operations by address, so that this folder knows no adapter. Long reads and checkpoints are
 * the reading thread's, see reader.ts.
 */
async function main(port: MessagePort, options: WorkerOptions): Promise<void> {
  const modules: OperationModule[] = await Promise.all(options.modules.map((url) => import(url)));
  const opened = unusableOnFailure(options.file, () => open(options, modules));
  serve(port, opened, modules);
  reply(port, { type: "ready", file: opened.file });
}

type OpenedDatabase = { file: string; database: DatabaseSync; lock: DatabaseLock };

function serve(
  port: MessagePort,
  { database, lock }: OpenedDatabase,
  modules: readonly OperationModule[],
): void {
  const writeCheck = createWriteCheck(database);
  const runBatch = createBatchRunner(database, operationTable(modules, lock, writeCheck));
  const walAfterBatch = createWalGauge(database);
  port.on("message", (request: WorkerRequest) => {
    if (request.type === "batch") {
      const outcomes = runBatch(request.operations, request.sync);
      writeCheck.note(outcomes);
      reply(port, { type: "batch", outcomes, wal: walAfterBatch() });
      return;
    }
    emptyWal(database);
    database.close();
    lock.release();
    port.close();
  });
}

/** The lock comes first: until it is ours nothing of the database is read or written. */
function open(options: WorkerOptions, modules: readonly OperationModule[]): OpenedDatabase {
  const file = resolveDatabaseFile(options.file);
  const lock = acquireLock(file, options.owner);
  let database: DatabaseSync | undefined;
  try {
    createPrivateFile(file);
    // The timeout is for a person with `sqlite3`: no other process of ours gets past the lock.
    database = new DatabaseSync(file, { timeout: 250, enableForeignKeyConstraints: true });
    claim(database, file);
    database.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
    migrate(database, file, modules);
    return { file, database, lock };
  } catch (error) {
    database?.close();
    lock.release();
    throw error;
  }
}

/** Whatever keeps a database from opening is told with its file's name. */
function unusableOnFailure<Result>(file: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    if (error instanceof DatabaseInUseError || error instanceof DatabaseTooNewError) throw error;
    if (error instanceof DatabaseUnusableError) throw error;
    throw new DatabaseUnusableError(file, (error as Error).message, error);
  }
}

function operationTable(
  modules: readonly OperationModule[],
  lock: DatabaseLock,
  writeCheck: WriteCheck,
): Record<string, Operation> {
  return {
    "database.setOwner": (_connection, owner: DatabaseOwner) => lock.describe(owner),
    "database.check": writeCheck.run,
    ...fullTable(modules, ({ operations }) => operations),
  };
}

function reply(port: MessagePort, message: WorkerReply): void {
  port.postMessage(message);
}

if (parentPort !== null) {
  const port = parentPort;
  main(port, workerData as WorkerOptions).catch((error: unknown) => {
    reply(port, { type: "refused", error: serializeError(error) });
    port.close();
  });
}
