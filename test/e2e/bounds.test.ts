import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { limits } from "../../src/chat/limits.ts";
import { ChatResponse_Type } from "../../src/gen/chat/chat_pb.ts";
import { bidiLanes, binaryLanes, overLanes } from "../support/lanes.ts";
import { until } from "../support/listener.ts";
import { openChat, openStreamChat, openWatch } from "../support/stream-call.ts";
import { assertError, collect, failureOf } from "../support/wire.ts";

const { CHUNK, ERROR } = ChatResponse_Type;

overLanes("a session has so many watchers and no more", binaryLanes, {}, async ({ app, chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:3x1" });
  const watches = Array.from({ length: limits.watchersMax }, () => openWatch(chat, { sessionId }));
  for (const watch of watches) await watch.update("live");
  const refused = await failureOf(collect(chat.watchSession({ sessionId })));
  const { retryMs } = assertError(refused, Code.ResourceExhausted, "TOO_MANY_WATCHERS");
  assert.ok(retryMs && retryMs > 0);
  const { sessionId: other } = await chat.createSession({ modelId: "scripted:3x1" });
  await collect(chat.watchSession({ sessionId: other, untilIdle: true }));

  await chat.sendMessage({ sessionId, message: "one" });
  for (const watch of watches) await watch.first(({ isFinal }) => isFinal);
  const texts = watches.map((watch) => watch.recorded().length);
  assert.deepEqual(new Set(texts), new Set([6]));
  const [first] = watches;
  first?.abort();
  // The server learns in its own time that one has left.
  const watchAgain = () => collect(chat.watchSession({ sessionId, untilIdle: true }));
  await until(() =>
    watchAgain().then(
      ({ length }) => length > 0,
      () => false,
    ),
  );
  assert.ok(app.app.connections().sockets > 0);
});

const few = { env: { RUNNING_TURNS_MAX: "1" } };

overLanes("the server runs so many turns and no more", binaryLanes, few, async ({ chat }) => {
  const modelId = "scripted:9x1!hang@1";
  const { sessionId } = await chat.createSession({ modelId });
  const call = openStreamChat(chat, { sessionId, message: "one", requestId: "first" });
  await call.firstOf(CHUNK);
  const refused = await failureOf(chat.sendMessage({ message: "two", modelId: "scripted:3x1" }));
  const { retryMs } = assertError(refused, Code.ResourceExhausted, "TOO_MANY_TURNS");
  assert.ok(retryMs && retryMs > 0);
  assert.equal((await chat.listSessions({})).activeSessions, 1, "it opened no session");
  const joined = openStreamChat(chat, { sessionId, message: "one", requestId: "first" });
  await joined.firstOf(CHUNK);
  await chat.cancelTurn({ sessionId });
  assert.deepEqual([await call.ended, await joined.ended], [undefined, undefined]);
  await chat.sendMessage({ message: "two", modelId: "scripted:3x1" });
});

const small = { env: { MESSAGE_BYTES_MAX: "1000" } };

overLanes("an over-large message is refused by its size", binaryLanes, small, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:3x1" });
  await chat.sendMessage({ sessionId, message: "é".repeat(500) });
  const over = await failureOf(chat.sendMessage({ sessionId, message: `${"é".repeat(500)}x` }));
  const { fields } = assertError(over, Code.InvalidArgument, "INVALID_REQUEST");
  assert.deepEqual(fields, ["message"]);
  const unread = failureOf(collect(chat.streamChat({ sessionId, message: "x".repeat(200_000) })));
  assert.equal((await unread).code, Code.ResourceExhausted);
});

overLanes(
  "a Chat stream is told of a full queue",
  bidiLanes,
  { env: { QUEUED_TURNS_MAX: "0" } },
  async (c) => {
    const { chat } = c;
    const { sessionId } = await chat.createSession({ modelId: "scripted:9x1!hang@1" });
    const call = openChat(chat);
    await call.send({ sessionId, message: "one" });
    await call.firstOf(CHUNK);
    await call.send({ message: "two", requestId: "two" });
    const refused = await call.first(({ type, updateType }) => type === ERROR || updateType !== "");
    assert.deepEqual(
      [refused.errorReason, refused.sequence, refused.requestId],
      ["QUEUE_FULL", 0n, "two"],
    );
    await chat.cancelTurn({ sessionId });
    call.halfClose();
    assert.equal(await call.ended, undefined);
  },
);
