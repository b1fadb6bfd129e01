import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { startApp } from "../support/app.ts";
import { connectLane, plainLanes } from "../support/lanes.ts";
import { assertError, failureOf } from "../support/wire.ts";

const [lane] = plainLanes;

test("a session past SESSION_TTL_MS is deleted, and who watches the list hears of it", async (t) => {
  assert.ok(lane);
  const app = await startApp(t, { env: { SESSION_TTL_MS: "1" } });
  const { chat } = connectLane(app, lane);
  const leave = new AbortController();
  const list = chat.watchSession({ sessionList: true }, { signal: leave.signal });
  const updates = list[Symbol.asyncIterator]();
  await updates.next();
  // The turn that opens the session runs on, and so it stays.
  const question = { message: "Hi", modelId: "scripted:2x1!hang@1" };
  const turn = chat.streamChat(question, { signal: leave.signal })[Symbol.asyncIterator]();
  const busy = (await turn.next()).value?.sessionId;
  const { sessionId } = await chat.createSession({});
  for (let deleted = false; !deleted; ) {
    const { value } = await updates.next();
    deleted = value?.updateType === "session_deleted" && value.updateData.includes(sessionId);
  }
  const gone = await failureOf(chat.getSessionInfo({ sessionId }));
  assertError(gone, Code.NotFound, "SESSION_NOT_FOUND");
  const { sessions } = await chat.listSessions({});
  assert.deepEqual(
    sessions.map((session) => session.sessionId),
    [busy],
  );
  await chat.cancelTurn({ sessionId: busy ?? "" });
  leave.abort();
  for (const stream of [updates, turn]) await stream.next().catch(() => undefined);
});
