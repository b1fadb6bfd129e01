import { setTimeout as sleep } from "node:timers/promises";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import {
  ChatRequestSchema,
  ListMessagesRequestSchema,
  ListSessionsRequestSchema,
} from "../src/gen/chat/chat_pb.ts";
import type { Filled } from "./fill-store.ts";
import { callGrpc, withSession } from "./grpc-client.ts";
import { frame } from "./grpc-frame.ts";

/** What goes on beside the streams: the call of a work with a number. */
type Work = (filled: Filled, count: number) => readonly [rpc: string, request: Uint8Array];

const works = {
  search: ({ words }, count) => [
    "ListSessions",
    frame(ListSessionsRequestSchema, {
      query: beginning(words[(count * 7) % words.length] ?? "", count),
      pageSize: 50,
    }),
  ],
  list: ({ sessionIds }, count) =>
    count % 2 === 0
      ? ["ListSessions", frame(ListSessionsRequestSchema, { pageSize: 200 })]
      : [
          "ListMessages",
          frame(ListMessagesRequestSchema, { sessionId: pick(sessionIds, count), pageSize: 200 }),
        ],
  /** Fills the WAL, so that it is checkpointed, and the log, so that it is pruned. Each opens a session. */
  write: writeLarge,
  /** The same a few times a second: of the work that it causes, and not of what as many turns take to start. */
  writeNowAndThen: writeLarge,
  /** A turn in a session that has a long history, which is read and handed to the model. */
  converse: ({ sessionIds, text }, count) =>
    send({ sessionId: pick(sessionIds, count), message: text.slice(0, 100) }),
} satisfies Record<string, Work>;

export type WorkName = keyof typeof works;

/** Between two calls of a work, milliseconds; the others make theirs without a pause. */
const pausesMs: Partial<Record<WorkName, number>> = { writeNowAndThen: 100 };

/** What the thread is started with; it works until it gets a message, and answers with its number of calls. */
export type WorkOrder = { port: number; filled: Filled; names: readonly WorkName[] };

/** Every other time the whole word, else its first letters: the fewer they are the more words have them. */
function beginning(word: string, count: number): string {
  return count % 2 === 0 ? word : word.slice(0, 1 + (count % 12) / 2);
}

function pick(sessionIds: readonly string[], count: number): string {
  return sessionIds[count % sessionIds.length] ?? "";
}

function writeLarge({ text }: Filled) {
  return send({ message: text.slice(0, 50_000) });
}

function send(request: { sessionId?: string; message: string }) {
  return [
    "SendMessage",
    frame(ChatRequestSchema, { ...request, modelId: "scripted:5x0" }),
  ] as const;
}

/**
 * Works, one call of each work after another, each work on a connection of its own. On a thread
 * of its own, so that reading what comes does not make the reader of the streams late.
 */
async function run(thread: MessagePort, { port, filled, names }: WorkOrder): Promise<void> {
  let isOver = false;
  let calls = 0;
  thread.once("message", () => {
    isOver = true;
  });
  await Promise.all(
    names.map((name) =>
      withSession(port, async (session) => {
        while (!isOver) {
          const [rpc, request] = works[name](filled, calls);
          await callGrpc(session, rpc, request);
          calls += 1;
          const pauseMs = pausesMs[name];
          if (pauseMs !== undefined) await sleep(pauseMs);
        }
      }),
    ),
  );
  thread.postMessage(calls);
}

if (parentPort !== null) await run(parentPort, workerData as WorkOrder);
