import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createWritableIterable } from "@connectrpc/connect/protocol";
import { type ChatRequestSchema, ChatResponse_Type } from "../../src/gen/chat/chat_pb.ts";
import { bidiLanes, lanes, overLanes } from "../support/lanes.ts";
import { collect, collectFailing, failureOf } from "../support/wire.ts";

overLanes("the statistics tell the truth", lanes, {}, async ({ chat }) => {
  const zero = await chat.getServerStats({});
  assert.deepEqual([zero.totalRequests, zero.averageResponseTime], [0, 0]);

  const { sessionId } = await chat.createSession({ modelId: "scripted:3x10" });
  const replies = [
    await chat.sendMessage({ sessionId, message: "one two" }),
    await chat.sendMessage({ sessionId, message: "three" }),
  ];
  const events = await collect(chat.streamChat({ sessionId, message: "four" }));
  await collectFailing(chat.streamChat({ message: "x", modelId: "scripted:1x0!unavailable@1" }));
  await failureOf(chat.sendMessage({ sessionId: "nowhere", message: "refused" }));
  await failureOf(chat.sendMessage({ sessionId, message: "" }));

  const stats = await chat.getServerStats({});
  assert.deepEqual(
    [stats.totalRequests, stats.successfulRequests, stats.failedRequests],
    [6, 3, 3],
  );
  assert.deepEqual([stats.activeSessions, stats.totalSessionsCreated], [2, 2]);
  assert.deepEqual([stats.runningTurns, stats.activeStreams], [0, 0]);
  const times = [...replies.map((reply) => reply.processingTime), events.at(-1)?.processingTime];
  const sum = times.reduce<number>((total, time) => total + (time ?? 0), 0);
  assert.ok(stats.averageResponseTime >= sum / 4 - 0.001, "the mean over the turns that ended");
  assert.ok(stats.averageResponseTime <= sum / 4 + 0.05);
  assert.ok(stats.averageFirstChunkTime > 0);
  assert.ok(stats.averageFirstChunkTime < stats.averageResponseTime);
  assert.equal(stats.outputTokens, 10n);
  assert.equal(stats.model, "eliza");
  assert.equal(stats.framework, `chatwire ${stats.version}`);
});

overLanes("what runs is counted while it runs", lanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x60" });
  for await (const { type } of chat.streamChat({ sessionId, message: "Go on" })) {
    if (type !== ChatResponse_Type.STATUS) continue;
    const { runningTurns, activeStreams, totalRequests } = await chat.getServerStats({});
    assert.deepEqual([runningTurns, activeStreams, totalRequests], [1, 1, 0]);
    await chat.cancelTurn({ sessionId });
  }
  const { successfulRequests, cancelledTurns } = await chat.getServerStats({});
  assert.deepEqual([successfulRequests, cancelledTurns], [1, 1n]);
});

overLanes("a message refused on a Chat stream counts", bidiLanes, {}, async ({ chat }) => {
  const requests = createWritableIterable<MessageInitShape<typeof ChatRequestSchema>>();
  const reading = collect(chat.chat(requests));
  await requests.write({ message: "to no session" });
  await requests.write({ sessionId: "nowhere", message: "Hi" });
  requests.close();
  assert.equal((await reading).length, 2);
  const { totalRequests, failedRequests } = await chat.getServerStats({});
  assert.deepEqual([totalRequests, failedRequests], [2, 2]);
});
