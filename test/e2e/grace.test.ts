import assert from "node:assert/strict";
import {
  ChatResponse_Type,
  FinishReason,
  OnBusy,
  OnDisconnect,
} from "../../src/gen/chat/chat_pb.ts";
import { untilMetrics } from "../support/app.ts";
import { binaryLanes, connectLane, type LaneContext, overLanes } from "../support/lanes.ts";
import { until } from "../support/listener.ts";
import { openStreamChat, openWatch } from "../support/stream-call.ts";
import { messagesWhenIdle, modelAborts, modelCalls, words } from "../support/turn-checks.ts";

const { CHUNK } = ChatResponse_Type;
const { CANCELLED, STOP } = FinishReason;

/** Far shorter than any reply below. */
const short = { env: { DISCONNECT_GRACE_MS: "20" } };
const long = { env: { DISCONNECT_GRACE_MS: "60000" } };

/** A turn of a call on a connection of its own. */
async function openOwned({ app, lane, chat }: LaneContext, modelId: string, requestId = "") {
  const { sessionId } = await chat.createSession({ modelId });
  const owner = connectLane(app, lane);
  const onDisconnect = OnDisconnect.GRACE;
  const call = openStreamChat(owner.chat, { sessionId, message: "one", requestId, onDisconnect });
  await call.firstOf(CHUNK);
  const lose = async () => {
    owner.cut();
    await call.ended;
  };
  return { sessionId, call, lose };
}

overLanes("a turn that nobody reads ends after its grace", binaryLanes, short, async (context) => {
  const { app, chat } = context;
  const { sessionId, lose } = await openOwned(context, "scripted:3x5!hang@1");
  await lose();
  await untilMetrics(app, (metrics) => metrics.get(modelAborts) === 1);
  const [, reply] = await messagesWhenIdle(chat, sessionId);
  assert.deepEqual([reply?.text, reply?.finishReason], ["w1 ", CANCELLED]);
});

overLanes("a watcher keeps a turn alive", binaryLanes, short, async (context) => {
  const { app, chat } = context;
  const { sessionId, lose } = await openOwned(context, "scripted:20x10");
  const watch = openWatch(chat, { sessionId });
  await watch.update("live");
  await lose();
  const end = await watch.first(({ isFinal }) => isFinal);
  assert.deepEqual([end.finishReason, end.totalChunks], [STOP, 20]);
  assert.equal((await app.metrics()).get(modelAborts), 0);
  watch.abort();
});

overLanes("the grace begins again when the last watcher leaves", binaryLanes, short, async (c) => {
  const { app, chat } = c;
  const { sessionId, lose } = await openOwned(c, "scripted:3x5!hang@1");
  const watches = [1, 2].map(() => openWatch(chat, { sessionId }));
  for (const watch of watches) await watch.update("live");
  await lose();
  for (const watch of watches) watch.abort();
  await untilMetrics(app, (metrics) => metrics.get(modelAborts) === 1);
  const [, reply] = await messagesWhenIdle(chat, sessionId);
  assert.equal(reply?.finishReason, CANCELLED);
});

overLanes("whoever joins again in time has the whole reply", binaryLanes, long, async (context) => {
  const { app, chat } = context;
  const { sessionId, call, lose } = await openOwned(context, "scripted:20x10", "again");
  await lose();
  const { sequence = 0n } = call.recorded().at(-1) ?? {};
  const request = { sessionId, message: "one", requestId: "again", afterSequence: sequence };
  const again = openStreamChat(chat, request);
  assert.equal(await again.ended, undefined);
  assert.equal(again.events[0]?.sequence, sequence + 1n);
  assert.deepEqual([again.events.at(-1)?.finishReason], [STOP]);
  const { messages } = await chat.listMessages({ sessionId });
  assert.equal(messages[1]?.text, words(20));
  assert.equal((await app.metrics()).get(modelCalls), 1);
});

overLanes("a reader that is left keeps the turn", binaryLanes, short, async (context) => {
  const { chat } = context;
  const { sessionId, lose } = await openOwned(context, "scripted:20x10", "shared");
  const other = openStreamChat(chat, { sessionId, message: "one", requestId: "shared" });
  await other.firstOf(CHUNK);
  await lose();
  assert.equal(await other.ended, undefined);
  assert.equal(other.events.at(-1)?.totalChunks, 20);
});

overLanes("a waiting turn has its grace too", binaryLanes, short, async (context) => {
  const { app, lane, chat } = context;
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x10" });
  const running = openStreamChat(chat, { sessionId, message: "one" });
  await running.firstOf(CHUNK);
  const owner = connectLane(app, lane);
  const request = { sessionId, message: "two", onBusy: OnBusy.ENQUEUE };
  const waiting = openStreamChat(owner.chat, { ...request, onDisconnect: OnDisconnect.GRACE });
  await waiting.update("turn_queued");
  owner.cut();
  await waiting.ended;
  const info = () => chat.getSessionInfo({ sessionId });
  await until(async () => (await info()).queuedTurnIds.length === 0);
  assert.equal((await chat.listMessages({ sessionId })).messages.length, 2);
  await chat.cancelTurn({ sessionId });
  assert.equal(await running.ended, undefined);
  assert.equal((await app.metrics()).get(modelCalls), 1);
});
