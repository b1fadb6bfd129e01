import assert from "node:assert/strict";
import { Code, type ConnectError } from "@connectrpc/connect";
import type { ChatResponse } from "../../src/gen/chat/chat_pb.ts";
import { untilMetrics } from "../support/app.ts";
import { binaryLanes, type LaneContext, overLanes } from "../support/lanes.ts";
import { assertError } from "../support/wire.ts";

type Opened = { sessionId: string; events: AsyncIterable<ChatResponse> };

/** What a reader gets that reads the first event, and the rest when its session is gone. */
async function readAfterDeletion({ app, chat }: LaneContext, { sessionId, events }: Opened) {
  const iterator = events[Symbol.asyncIterator]();
  const first = await iterator.next();
  assert.equal(first.done, false);
  // The turn is over, and more of it is unread than connections hold.
  await untilMetrics(app, (metrics) => metrics.get("chatwire_turns_running") === 0);
  await chat.deleteSession({ sessionId: sessionId || first.value.sessionId });
  const read: ChatResponse[] = [];
  const error = await readAll(iterator, read);
  assert.ok(error);
  assertError(error, Code.NotFound, "SESSION_NOT_FOUND");
  return read;
}

async function readAll(iterator: AsyncIterator<ChatResponse>, into: ChatResponse[]) {
  try {
    for (;;) {
      const { done, value } = await iterator.next();
      if (done) return undefined;
      into.push(value);
    }
  } catch (error) {
    return error as ConnectError;
  }
}

const modelId = "scripted:4000x0";

/** Whose windows hold less than that. */
const chosen = binaryLanes.filter(({ httpVersion }) => httpVersion === "2");

function assertTold(read: readonly ChatResponse[]): void {
  const told = read.filter(({ updateType }) => updateType === "session_deleted");
  assert.equal(told.length, 1);
  assert.equal(read.at(-1), told[0]);
}

overLanes("who reads a deleted session's turn late is told", chosen, {}, async (c) => {
  const events = c.chat.streamChat({ message: "Count", modelId });
  assertTold(await readAfterDeletion(c, { sessionId: "", events }));
});

overLanes("who watches a deleted session late is told", chosen, {}, async (c) => {
  const { sessionId } = await c.chat.createSession({ modelId });
  await c.chat.sendMessage({ sessionId, message: "Count" });
  const events = c.chat.watchSession({ sessionId });
  assertTold(await readAfterDeletion(c, { sessionId, events }));
});
