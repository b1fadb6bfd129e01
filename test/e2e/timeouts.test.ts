import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { ChatResponse_Type, FinishReason, Message_State } from "../../src/gen/chat/chat_pb.ts";
import { bidiLanes, binaryLanes, overLanes } from "../support/lanes.ts";
import { openChat, openStreamChat, openWatch } from "../support/stream-call.ts";
import { modelAborts, words } from "../support/turn-checks.ts";
import { assertError, collectFailing, failureOf } from "../support/wire.ts";

const { CHUNK, ERROR, HEARTBEAT } = ChatResponse_Type;

type Timeout = { setting: string; reason: string; modelId: string; text: string };

const timeouts: readonly Timeout[] = [
  {
    setting: "FIRST_CHUNK_TIMEOUT_MS",
    reason: "MODEL_FIRST_CHUNK_TIMEOUT",
    modelId: "scripted:5x0!hang@0",
    text: "",
  },
  {
    setting: "IDLE_CHUNK_TIMEOUT_MS",
    reason: "MODEL_IDLE_TIMEOUT",
    modelId: "scripted:5x0!hang@2",
    text: words(2),
  },
  {
    setting: "TURN_TIMEOUT_MS",
    reason: "MODEL_TURN_TIMEOUT",
    modelId: "scripted:5x0!hang@3",
    text: words(3),
  },
];

for (const { setting, reason, modelId, text } of timeouts) {
  const env = { [setting]: "80" };
  overLanes(`${setting} ends a stuck turn, and says so`, binaryLanes, { env }, async (context) => {
    const { app, chat } = context;
    const { sessionId } = await chat.createSession({ modelId });
    const { values, error } = await collectFailing(chat.streamChat({ sessionId, message: "one" }));
    assertError(error, Code.DeadlineExceeded, reason);
    const end = values.at(-1);
    assert.deepEqual(
      [end?.type, end?.finishReason, end?.errorReason, end?.isFinal],
      [ERROR, FinishReason.TIMEOUT, reason, true],
    );
    assert.ok(end && end.sequence > 0n && end.processingTime >= 0.075);
    assert.ok(end.usage?.estimated);
    const stats = await chat.getServerStats({});
    assert.deepEqual([stats.totalRequests, stats.failedRequests, stats.runningTurns], [1, 1, 0]);
    assert.ok(stats.averageResponseTime >= 0.075);
    const metrics = await app.metrics();
    assert.equal(metrics.get(modelAborts), 1);
    const { messages } = await chat.listMessages({ sessionId });
    const replies = messages.slice(1).map((m) => [m.text, m.state, m.finishReason, m.errorReason]);
    const reply = [text, Message_State.PARTIAL, FinishReason.TIMEOUT, reason];
    assert.deepEqual(replies, text === "" ? [] : [reply]);
    const sent = await chat.sendMessage({ sessionId, message: "two", modelId: "scripted:3x1" });
    assert.equal(sent.text, words(3), "the session is free again");
  });
}

overLanes(
  "a client's deadline ends its call alone",
  binaryLanes,
  {},
  async ({ app, lane, chat }) => {
    const { sessionId } = await chat.createSession({ modelId: "scripted:9x1!hang@1" });
    const watch = openWatch(chat, { sessionId });
    await watch.update("live");
    const call = openStreamChat(chat, { sessionId, message: "one" }, { timeoutMs: 1_000 });
    const late = await call.ended;
    assert.equal(late?.code, Code.DeadlineExceeded);
    if (lane.protocol === "grpc") {
      // A decision there: the turn is cancelled, not timed out.
      const end = await watch.first(({ isFinal }) => isFinal);
      assert.equal(end.finishReason, FinishReason.CANCELLED);
    } else {
      const { runningTurnId } = await chat.getSessionInfo({ sessionId });
      assert.equal(runningTurnId, call.events[0]?.turnId);
      assert.equal((await app.metrics()).get(modelAborts), 0);
      await chat.cancelTurn({ sessionId });
    }
    const unary = failureOf(chat.sendMessage({ sessionId, message: "two" }, { timeoutMs: 300 }));
    assert.equal((await unary).code, Code.DeadlineExceeded);
    await chat.cancelTurn({ sessionId });
    watch.abort();
  },
);

const beating = { env: { HEARTBEAT_MS: "20" } };

overLanes("every stream that is silent gets heartbeats", binaryLanes, beating, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:9x1!hang@1" });
  const headers: Headers[] = [];
  const options = { onHeader: (received: Headers) => void headers.push(received) };
  const list = openWatch(chat, { sessionList: true }, options);
  const watch = openWatch(chat, { sessionId }, options);
  const turn = openStreamChat(chat, { sessionId, message: "one" }, options);
  await turn.firstOf(CHUNK);
  const waiting = openStreamChat(chat, { sessionId, message: "two" }, options);
  for (const call of [list, watch, turn, waiting]) {
    const { sequence, epoch, sessionId: of } = await call.firstOf(HEARTBEAT);
    assert.deepEqual([sequence, epoch, of], [0n, 0, ""]);
  }
  assert.equal(headers.length, 4);
  assert.ok(headers.every((received) => received.get("chat-heartbeat-ms") === "20"));
  assert.equal((await watch.update("watching")).heartbeat_ms, 20);
  const { turnId = "" } = waiting.events[0] ?? {};
  await chat.cancelTurn({ sessionId, turnId });
  await chat.cancelTurn({ sessionId });
  assert.deepEqual([await turn.ended, await waiting.ended], [undefined, undefined]);
});

overLanes(
  "a Chat that waits for its client has heartbeats",
  bidiLanes,
  beating,
  async ({ chat }) => {
    const { sessionId } = await chat.createSession({ modelId: "scripted:3x1" });
    const call = openChat(chat);
    await call.send({ sessionId, message: "one" });
    await call.first(({ isFinal }) => isFinal);
    const before = call.events.length;
    await call.first((event) => event.type === HEARTBEAT && call.events.indexOf(event) >= before);
    call.halfClose();
    assert.equal(await call.ended, undefined);
  },
);
