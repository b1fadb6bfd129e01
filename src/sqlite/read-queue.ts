import type { Worker } from "node:worker_threads";
import { storageUnavailable } from "../chat/errors.ts";
import {
  deserializeError,
  type ReaderReply,
  type ReaderRequest,
  type WalState,
} from "./protocol.ts";

/** Reads on their way to the reading thread, and the checkpoints that it makes. */
export interface ReadQueue {
  /** See Database.read. */
  read(name: string, args: unknown): Promise<unknown>;
  /**
   * Makes a checkpoint before any read that waits; undefined where it failed. `begin` is awaited when its
   * turn has come, and nothing is read meanwhile.
   */
  checkpoint(begin?: () => Promise<void>): Promise<WalState | undefined>;
  /** Resolves when nothing waits or runs any more. */
  drained(): Promise<void>;
  /** Fails what waits and runs, and whatever comes. */
  fail(error: Error): void;
}

type Waiting = {
  request: ReaderRequest;
  begin?: (() => Promise<void>) | undefined;
  settle: (reply: ReaderReply) => void;
  reject: (error: unknown) => void;
};

/** One on its way at a time, so that a checkpoint waits for no more than one read. */
export function createReadQueue(worker: Worker): ReadQueue {
  const checkpoints: Waiting[] = [];
  const reads: Waiting[] = [];
  let running: Waiting | undefined;
  let failure: Error | undefined;
  const onDrained: (() => void)[] = [];

  function advance(): void {
    if (running !== undefined) return;
    running = checkpoints.shift() ?? reads.shift();
    if (running === undefined) for (const resolve of onDrained.splice(0)) resolve();
    else void send(running);
  }

  async function send(one: Waiting): Promise<void> {
    try {
      await one.begin?.();
      // It may have failed with the thread meanwhile.
      if (running === one) worker.postMessage(one.request);
    } catch (error) {
      // Arguments that cannot be cloned are the caller's mistake; nothing has left.
      running = undefined;
      one.reject(error);
      advance();
    }
  }

  function enqueue(queue: Waiting[], one: Waiting): void {
    if (failure !== undefined) {
      one.reject(storageUnavailable(failure));
      return;
    }
    queue.push(one);
    advance();
  }

  worker.on("message", (reply: ReaderReply) => {
    const answered = running;
    running = undefined;
    answered?.settle(reply);
    advance();
  });

  return {
    read: (name, args) =>
      new Promise((resolve, reject) => {
        const settle = (reply: ReaderReply) => {
          if (reply.type !== "read") reject(new Error("the read has no answer"));
          else if ("error" in reply.outcome) reject(deserializeError(reply.outcome.error));
          else resolve(reply.outcome.value);
        };
        enqueue(reads, { request: { type: "read", operation: { name, args } }, settle, reject });
      }),
    checkpoint: (begin) =>
      new Promise((resolve, reject) => {
        const settle = (reply: ReaderReply) =>
          resolve(reply.type === "checkpoint" ? reply.wal : undefined);
        enqueue(checkpoints, { request: { type: "checkpoint" }, begin, settle, reject });
      }),
    drained: () =>
      new Promise((resolve) => {
        onDrained.push(resolve);
        advance();
      }),
    fail(error) {
      failure ??= error;
      const lost = [...checkpoints.splice(0), ...reads.splice(0)];
      if (running !== undefined) lost.unshift(running);
      running = undefined;
      for (const { reject } of lost) reject(storageUnavailable(failure));
      advance();
    },
  };
}
