import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { storageUnavailable } from "../chat/errors.ts";
import type { DatabaseOwner } from "./errors.ts";
import type { OperationTable } from "./module.ts";
import {
  type Durability,
  deserializeError,
  type OperationRequest,
  type Outcome,
  type WorkerOptions,
  type WorkerReply,
  type WorkerRequest,
} from "./protocol.ts";
import { siblingModule } from "./sibling-module.ts";

export type DatabaseOptions = {
  /** Made, with its folder, when it is not there; readable by this account alone. */
  file: string;
  durability: Durability;
  /** Modules of operations and migrations, see OperationModule; the worker imports them. */
  modules: readonly URL[];
  /** What a second process is told of this one. */
  owner: { url: string };
};

export type CallOptions = {
  /** With durability `full`: answered only when the disk has it. */
  durable: boolean;
};

/** A SQLite file that a worker thread owns; the event loop never waits for its disk. */
export interface Database {
  /** The file, links resolved. */
  readonly file: string;

  /**
   * Runs a module's operation by its full name ("module.operation") and resolves once it is committed.
   * What is called in one tick is run in that order and committed together; so is what was called while
   * the batch before it ran. `args` may be a function: it is called when the batch leaves, so that it can
   * carry everything that has come up until then.
   *
   * Rejects with the ChatError that the operation threw, with STORAGE_UNAVAILABLE when the storage failed
   * or the database is closed (then nothing was changed), and otherwise with a plain Error.
   */
  call(operation: string, args: unknown, options: CallOptions): Promise<unknown>;

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

/**
 * Opens the file on a worker thread and brings its schema up to date.
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
  const workerData: WorkerOptions = {
    file: options.file,
    modules: options.modules.map((url) => url.href),
    owner: describe(options.owner),
  };
  const worker = new Worker(siblingModule("worker", import.meta.url), { workerData });
  const [reply]: WorkerReply[] = await once(worker, "message");
  if (reply?.type !== "ready") {
    await worker.terminate();
    throw reply?.type === "refused" ? deserializeError(reply.error) : new Error("no answer");
  }
  const queue = createQueue(worker, options.durability);
  return {
    file: reply.file,
    call: queue.call,
    check: async () => {
      await queue.call("database.check", undefined, { durable: false });
    },
    setOwner: async (owner) => {
      await queue.call("database.setOwner", describe(owner), { durable: false });
    },
    close: queue.close,
  };
}

type Waiting = OperationRequest & {
  durable: boolean;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
};

/** Gathers calls into batches, one on its way at a time. */
function createQueue(worker: Worker, durability: Durability): Pick<Database, "call" | "close"> {
  let waiting: Waiting[] = [];
  let running: Waiting[] = [];
  let scheduled = false;
  let failure: Error | undefined;
  let closing: Promise<void> | undefined;
  let onDrained: (() => void) | undefined;
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));

  function advance(): void {
    if (scheduled || running.length > 0) return;
    if (waiting.length === 0) {
      onDrained?.();
      return;
    }
    scheduled = true;
    // After this tick's callbacks and their promises: all that they call leaves together.
    setImmediate(send);
  }

  function send(): void {
    scheduled = false;
    const batch = waiting;
    waiting = [];
    running = batch.filter(resolveArgs);
    const sync = durability === "full" && running.some(({ durable }) => durable);
    try {
      if (running.length > 0)
        post(worker, { type: "batch", sync, operations: running.map(toRequest) });
    } catch (error) {
      // Arguments that cannot be cloned are the caller's mistake; nothing has left.
      settle(running, ({ reject }) => reject(error));
    }
    advance();
  }

  function settle(batch: readonly Waiting[], each: (one: Waiting, index: number) => void): void {
    if (batch === running) running = [];
    batch.forEach(each);
  }

  function fail(error: Error): void {
    failure ??= error;
    const lost = [...running, ...waiting];
    running = [];
    waiting = [];
    settle(lost, ({ reject }) => reject(storageUnavailable(failure)));
    onDrained?.();
  }

  worker.on("message", (reply: WorkerReply) => {
    if (reply.type !== "batch") return;
    settle(running, (one, index) => answer(one, reply.outcomes[index]));
    advance();
  });
  worker.once("error", fail);
  worker.once("exit", () => fail(new Error("the database is closed")));

  async function drainAndClose(): Promise<void> {
    await new Promise<void>((resolve) => {
      onDrained = resolve;
      advance();
    });
    post(worker, { type: "close" });
    await exited;
  }

  return {
    call(name, args, { durable }) {
      if (failure !== undefined || closing !== undefined) {
        return Promise.reject(storageUnavailable(failure ?? new Error("the database is closing")));
      }
      return new Promise((resolve, reject) => {
        waiting.push({ name, args, durable, resolve, reject });
        advance();
      });
    },
    close() {
      closing ??= drainAndClose();
      return closing;
    },
  };
}

/** Calls an operation's `args` where they are a function; false when that threw, which is its answer. */
function resolveArgs(one: Waiting): boolean {
  try {
    if (typeof one.args === "function") one.args = one.args();
    return true;
  } catch (error) {
    one.reject(error);
    return false;
  }
}

function toRequest({ name, args }: Waiting): OperationRequest {
  return { name, args };
}

function answer({ resolve, reject }: Waiting, outcome: Outcome | undefined): void {
  if (outcome === undefined) reject(new Error("the operation has no answer"));
  else if ("error" in outcome) reject(deserializeError(outcome.error));
  else resolve(outcome.value);
}

function post(worker: Worker, request: WorkerRequest): void {
  worker.postMessage(request);
}
