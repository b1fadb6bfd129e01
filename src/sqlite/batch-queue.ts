import type { Worker } from "node:worker_threads";
import { storageUnavailable } from "../chat/errors.ts";
import type { CallOptions } from "./database.ts";
import {
  type Durability,
  deserializeError,
  type OperationRequest,
  type Outcome,
  type WalState,
  type WorkerReply,
  type WorkerRequest,
} from "./protocol.ts";

/** Calls on their way to the writing thread. */
export interface BatchQueue {
  /** See Database.call. */
  call(name: string, args: unknown, options: CallOptions): Promise<unknown>;
  /** Resolves when nothing waits or runs any more. */
  drained(): Promise<void>;
  /**
   * Resolves when the thread is between two batches; it gets no further one until `resume`, which ends every
   * pause.
   */
  pause(): Promise<void>;
  resume(): void;
  /** Fails what waits and runs, and whatever comes. */
  fail(error: Error): void;
}

type Waiting = OperationRequest & {
  durable: boolean;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
};

export type BatchQueueOptions = {
  durability: Durability;
  /** What a batch has made of the WAL, where it wrote. */
  onWritten: (wal: WalState) => void;
};

/** Gathers calls into batches, one on its way at a time. */
export function createBatchQueue(
  worker: Worker,
  { durability, onWritten }: BatchQueueOptions,
): BatchQueue {
  let waiting: Waiting[] = [];
  /** Each goes alone, and in turns with the batches, so that none of them waits for more than one. */
  const background: Waiting[] = [];
  let backgroundIsNext = false;
  let running: Waiting[] = [];
  let scheduled = false;
  let failure: Error | undefined;
  let paused = false;
  const onPaused: (() => void)[] = [];
  const onDrained: (() => void)[] = [];

  function advance(): void {
    if (scheduled || running.length > 0) return;
    if (paused) {
      for (const resolve of onPaused.splice(0)) resolve();
    } else if (waiting.length > 0 || background.length > 0) {
      scheduled = true;
      // After this tick's callbacks and their promises: all that they call leaves together.
      setImmediate(send);
    } else {
      for (const resolve of onDrained.splice(0)) resolve();
    }
  }

  function send(): void {
    scheduled = false;
    running = nextBatch().filter(resolveArgs);
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

  function nextBatch(): Waiting[] {
    const isBackground = background.length > 0 && (backgroundIsNext || waiting.length === 0);
    backgroundIsNext = !isBackground;
    if (isBackground) return background.splice(0, 1);
    const batch = waiting;
    waiting = [];
    return batch;
  }

  function settle(batch: readonly Waiting[], each: (one: Waiting, index: number) => void): void {
    if (batch === running) running = [];
    batch.forEach(each);
  }

  worker.on("message", (reply: WorkerReply) => {
    if (reply.type !== "batch") return;
    settle(running, (one, index) => answer(one, reply.outcomes[index]));
    if (reply.wal !== undefined) onWritten(reply.wal);
    advance();
  });

  return {
    call(name, args, { durable, background: isBackground = false }) {
      if (failure !== undefined) return Promise.reject(storageUnavailable(failure));
      return new Promise((resolve, reject) => {
        const queue = isBackground ? background : waiting;
        queue.push({ name, args, durable, resolve, reject });
        advance();
      });
    },
    drained: () =>
      new Promise((resolve) => {
        onDrained.push(resolve);
        advance();
      }),
    pause: () =>
      new Promise((resolve) => {
        paused = true;
        onPaused.push(resolve);
        advance();
      }),
    resume() {
      paused = false;
      advance();
    },
    fail(error) {
      failure ??= error;
      const lost = [...running, ...waiting, ...background.splice(0)];
      running = [];
      waiting = [];
      for (const { reject } of lost) reject(storageUnavailable(failure));
      advance();
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
