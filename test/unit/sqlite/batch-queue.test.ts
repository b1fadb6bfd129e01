import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { createBatchQueue } from "../../../src/sqlite/batch-queue.ts";
import type { WalState, WorkerReply, WorkerRequest } from "../../../src/sqlite/protocol.ts";

/** A writing thread that answers when the test says so. */
function createThread() {
  const requests: WorkerRequest[] = [];
  const worker = Object.assign(new EventEmitter(), {
    postMessage: (request: WorkerRequest) => requests.push(request),
  });
  const answer = (wal?: WalState) => {
    const request = requests.shift();
    assert.ok(request?.type === "batch");
    const outcomes = request.operations.map(({ name }) => ({ value: name }));
    worker.emit("message", { type: "batch", outcomes, wal } satisfies WorkerReply);
  };
  return { worker: worker as unknown as Worker, requests, answer };
}

const normal = { durability: "normal", onWritten: () => undefined } as const;
const notDurable = { durable: false };

test("a pause waits for the batch that runs, and holds the next until it ends", async () => {
  const { worker, requests, answer } = createThread();
  const queue = createBatchQueue(worker, normal);
  const first = queue.call("first", undefined, notDurable);
  await setImmediate();
  const paused = queue.pause();
  const second = queue.call("second", undefined, notDurable);
  answer();
  await Promise.all([first, paused]);
  await setImmediate();
  assert.equal(requests.length, 0);
  queue.resume();
  await setImmediate();
  answer();
  assert.equal(await second, "second");
});

test("a pause that is asked for again meanwhile, by what the batch has written, is reached by both", async () => {
  const { worker, answer } = createThread();
  const pauses: Promise<void>[] = [];
  const onWritten = () => {
    pauses.push(queue.pause());
  };
  const queue = createBatchQueue(worker, { durability: "normal", onWritten });
  const call = queue.call("write", undefined, notDurable);
  await setImmediate();
  pauses.push(queue.pause());
  answer({ pages: 5_000, unmoved: 5_000 });
  await call;
  await Promise.all(pauses);
  assert.equal(pauses.length, 2);
});

test("what fails while it is paused is told, and whoever waits for the pause goes on", async () => {
  const { worker } = createThread();
  const queue = createBatchQueue(worker, normal);
  const running = assert.rejects(queue.call("one", undefined, notDurable), { kind: "unavailable" });
  await setImmediate();
  const paused = queue.pause();
  const waiting = assert.rejects(queue.call("two", undefined, notDurable), { kind: "unavailable" });
  queue.fail(new Error("the thread is gone"));
  await Promise.all([running, waiting, paused]);
  queue.resume();
  await queue.drained();
});
