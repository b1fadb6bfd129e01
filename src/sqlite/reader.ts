import { constants, getPriority, setPriority } from "node:os";
import { DatabaseSync } from "node:sqlite";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { createBatchRunner } from "./batch.ts";
import { createCheckpoint } from "./checkpoint.ts";
import { DatabaseUnusableError } from "./errors.ts";
import { fullTable, type OperationModule } from "./module.ts";
import {
  type ReaderOptions,
  type ReaderReply,
  type ReaderRequest,
  serializeError,
} from "./protocol.ts";

/** Leaves a third of another thread's share (sched(7)): a checkpoint that writes wait for must not starve. */
const niceBy = 5;

/**
 * The reading thread: what may be long, beside the thread that writes (worker.ts). In WAL mode neither waits
 * for the other (sqlite.org/wal.html#concurrency): a read sees what was committed before it began, and a
 * passive checkpoint moves the WAL while the other goes on writing it.
 */
async function main(port: MessagePort, { file, modules }: ReaderOptions): Promise<void> {
  yieldToOtherThreads();
  const imported: OperationModule[] = await Promise.all(modules.map((url) => import(url)));
  const database = open(file);
  const runBatch = createBatchRunner(
    database,
    fullTable(imported, ({ reads }) => reads),
  );
  const checkpoint = createCheckpoint(database);
  port.on("message", (request: ReaderRequest) => {
    switch (request.type) {
      case "read": {
        const [outcome] = runBatch([request.operation], false);
        if (outcome !== undefined) reply(port, { type: "read", outcome });
        return;
      }
      case "checkpoint":
        reply(port, { type: "checkpoint", wal: checkpoint() });
        return;
      case "close":
        database.close();
        port.close();
    }
  });
  reply(port, { type: "ready" });
}

/**
 * Where processors are few, whoever streams goes before whoever lists or searches. Linux alone gives a thread a
 * priority of its own (setpriority(2), "C library/kernel differences"); elsewhere it would be the process'.
 */
function yieldToOtherThreads(): void {
  if (process.platform !== "linux") return;
  setPriority(Math.min(getPriority() + niceBy, constants.priority.PRIORITY_LOW));
}

function open(file: string): DatabaseSync {
  try {
    const database = new DatabaseSync(file, { timeout: 250 });
    // It may checkpoint, which a connection opened for reading alone may not; but it changes no row.
    database.exec("PRAGMA wal_autocheckpoint = 0; PRAGMA query_only = ON");
    return database;
  } catch (error) {
    throw new DatabaseUnusableError(file, (error as Error).message, error);
  }
}

function reply(port: MessagePort, message: ReaderReply): void {
  port.postMessage(message);
}

if (parentPort !== null) {
  const port = parentPort;
  main(port, workerData as ReaderOptions).catch((error: unknown) => {
    reply(port, { type: "refused", error: serializeError(error) });
    port.close();
  });
}
