import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { storageUnavailable } from "../chat/errors.ts";
import { type BatchQueue, createBatchQueue } from "./batch-queue.ts";
import { type Checkpoints, createCheckpoints } from "./checkpoints.ts";
import type { DatabaseOwner } from "./errors.ts";
import type { OperationTable } from "./module.ts";
import {
  type Durability,
  deserializeError,
  type ReaderOptions,
  type ReaderReply,
  type ReaderRequest,
  type WorkerOptions,
  type WorkerReply,
  type WorkerRequest,
} from "./protocol.ts";
import { createReadQueue, type ReadQueue } from "./read-queue.ts";
import { siblingModule } from "./sibling-module.ts";

export type DatabaseOptions = {
  /** Made, with its folder, when it is not there; readable by this account alone. */
  file: string;
  durability: Durability;
  /** Modules of operations and migrations, see OperationModule; the threads import them. */
  modules: readonly URL[];
  /** What a second process is told of this one. */
  owner: { url: string };
};

export type CallOptions = {
  /** With durability `full`: answered only when the disk has it. */
  durable: boolean;
  /** A slice of work that can wait: run in a batch of its own, and in turns with the other batches. */
  background?: boolean;
};

/** A SQLite file that worker threads own; the event loop never waits for its disk. */
export interface Database {
  /** The file, links resolved. */
  readonly file: string;

  /**
   * Runs a module's operation by its full name ("module.operation") and resolves once it is committed.
   * What is called in one tick is run in that order and committed together; so is what was called while
   * the batch before it ran; only background calls go alone. `args` may be a function: it is called when the batch leaves, so that it can
   * carry everything that has come up until then.
   *
   * Rejects with the ChatError that the operation threw, with STORAGE_UNAVAILABLE when the storage failed
   * or the database is closed (then nothing was changed), and otherwise with a plain Error.
   */
  call(operation: string, args: unknown, options: CallOptions): Promise<unknown>;

  /**
   * Runs one of a module's `reads` on a thread and a connection of their own, so that however long it takes
   * no call waits for it. It sees what was resolved before it was called; of calls that are on their way it
   * may see some or none. Rejects as `call` does.
   */
  read(operation: string, args: unknown): Promise<unknown>;

  /**
   * Resolves when the file can be read and, where it has refused a write, takes one again. Rejects with
   * STORAGE_UNAVAILABLE.
   */
  check(): Promise<void>;

  /** Replaces what a second process is told, once it is known where this one listens. */
  setOwner(owner: { url: string }): Promise<void>;

  /** Runs what was called before, empties the WAL and frees the file. Repeating it is safe. */
  close(): Promise<void>;
}

/** Calls of one module, typed by its table of operations. */
export type Caller<Table extends OperationTable> = <Name extends keyof Table & string>(
  name: Name,
  args: Parameters<Table[Name]>[1] | (() => Parameters<Table[Name]>[1]),
  options?: CallOptions,
) => Promise<ReturnType<Table[Name]>>;

/** The typed calls of the module `moduleName`; not durable unless they say so. */
export function createCaller<Table extends OperationTable>(
  database: Database,
  moduleName: string,
): Caller<Table> {
  return (name, args, options = { durable: false }) =>
    database.call(`${moduleName}.${name}`, args, options) as ReturnType<Caller<Table>>;
}

/** Reads of one module, typed by its table. */
export type Reader<Table extends OperationTable> = <Name extends keyof Table & string>(
  name: Name,
  args: Parameters<Table[Name]>[1],
) => Promise<ReturnType<Table[Name]>>;

/** The typed reads of the module `moduleName`. */
export function createReader<Table extends OperationTable>(
  database: Database,
  moduleName: string,
): Reader<Table> {
  return (name, args) => database.read(`${moduleName}.${name}`, args) as ReturnType<Reader<Table>>;
}

/**
 * Opens the file on its threads and brings its schema up to date.
 *
 * Rejects with DatabaseInUseError when another process (or this one) has it open, DatabaseTooNewError when
 * a later release wrote it, DatabaseUnusableError when it is no database of ours.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const startedAt = Date.now();
  const describe = ({ url }: { url: string }): DatabaseOwner => ({
    pid: process.pid,
    url,
    startedAt,
  });
  const modules = options.modules.map((url) => url.href);
  const { worker, file } = await startWriter({
    file: options.file,
    modules,
    owner: describe(options.owner),
  });
  const reader = await startReader({ file, modules }, worker);
  const threads = connectThreads(worker, reader, options.durability);
  const { writes, reads } = threads;
  let closing: Promise<void> | undefined;
  const unlessClosing = (run: () => Promise<unknown>) =>
    closing === undefined
      ? run()
      : Promise.reject(storageUnavailable(new Error("the database is closing")));
  const call: Database["call"] = (name, args, callOptions) =>
    unlessClosing(() => writes.call(name, args, callOptions));
  return {
    file,
    call,
    read: (name, args) => unlessClosing(() => reads.read(name, args)),
    check: async () => {
      await call("database.check", undefined, { durable: false });
    },
    setOwner: async (owner) => {
      await call("database.setOwner", describe(owner), { durable: false });
    },
    close() {
      closing ??= threads.close();
      return closing;
    },
  };
}

async function startWriter(workerData: WorkerOptions): Promise<{ worker: Worker; file: string }> {
  const worker = new Worker(siblingModule("worker", import.meta.url), { workerData });
  const [reply]: WorkerReply[] = await once(worker, "message");
  if (reply?.type === "ready") return { worker, file: reply.file };
  await worker.terminate();
  throw reply?.type === "refused" ? deserializeError(reply.error) : new Error("no answer");
}

/** Where it cannot be started the writing thread is closed. */
async function startReader(workerData: ReaderOptions, writer: Worker): Promise<Worker> {
  const reader = new Worker(siblingModule("reader", import.meta.url), { workerData });
  // A thread that dies before it has answered has no message, but an error.
  const [reply]: ReaderReply[] = await once(reader, "message").catch(async (error: unknown) => {
    await askToClose(writer);
    throw error;
  });
  if (reply?.type === "ready") return reader;
  await reader.terminate();
  await askToClose(writer);
  throw reply?.type === "refused" ? deserializeError(reply.error) : new Error("no answer");
}

type Threads = { writes: BatchQueue; reads: ReadQueue; close: () => Promise<void> };

/** The queues of both threads. Where one of them dies the other is ended, and every call fails. */
function connectThreads(worker: Worker, reader: Worker, durability: Durability): Threads {
  const reads = createReadQueue(reader);
  const writes: BatchQueue = createBatchQueue(worker, {
    durability,
    onWritten: (wal) => checkpoints.afterBatch(wal),
  });
  const checkpoints: Checkpoints = createCheckpoints(reads, writes);
  let closed = false;

  function fail(error: Error): void {
    writes.fail(error);
    reads.fail(error);
    void checkpoints.close();
  }
  for (const thread of [worker, reader]) {
    thread.once("error", fail);
    thread.once("exit", () => {
      fail(new Error("the database is closed"));
      // The lock went with the writing thread, and a file without checkpoints would grow for ever.
      if (!closed) void Promise.all([worker.terminate(), reader.terminate()]);
    });
  }
  const exits = [worker, reader].map((thread) => exitOf(thread));

  return {
    writes,
    reads,
    async close() {
      await Promise.all([writes.drained(), reads.drained()]);
      await checkpoints.close();
      closed = true;
      // The last connection is the one that empties the WAL and frees the file.
      await askToClose(reader);
      await askToClose(worker);
      await Promise.all(exits);
    },
  };
}

async function askToClose(thread: Worker): Promise<void> {
  if (thread.threadId < 0) return;
  const exit = exitOf(thread);
  thread.postMessage({ type: "close" } satisfies WorkerRequest & ReaderRequest);
  await exit;
}

function exitOf(thread: Worker): Promise<void> {
  return new Promise((resolve) => thread.once("exit", () => resolve()));
}
