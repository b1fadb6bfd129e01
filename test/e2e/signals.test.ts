import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { ChatResponse_Type, FinishReason } from "../../src/gen/chat/chat_pb.ts";
import { binaryLanes, connectLane } from "../support/lanes.ts";
import { startServer } from "../support/server-process.ts";
import { openStreamChat, openWatch } from "../support/stream-call.ts";
import { words } from "../support/turn-checks.ts";
import { assertError, failureOf, replyOf } from "../support/wire.ts";

const { CHUNK } = ChatResponse_Type;

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} drains the process, which then exits with 0`, async (t) => {
    const server = await startServer(t, { env: { DRAIN_TIMEOUT_MS: "20000" } });
    const calls = await Promise.all(
      binaryLanes.map(async (lane) => {
        const { chat } = connectLane(server, lane);
        const { sessionId } = await chat.createSession({ modelId: "scripted:100x10" });
        const running = openStreamChat(chat, { sessionId, message: "one", requestId: lane.name });
        const watch = openWatch(chat, { sessionId });
        await running.firstOf(CHUNK);
        return { lane, sessionId, running, watch };
      }),
    );
    server.kill(signal);
    const check = async ({ lane, sessionId, running, watch }: (typeof calls)[number]) => {
      await running.update("draining");
      await watch.update("draining");
      const other = () => connectLane(server, lane).chat;
      assert.equal((await other().health({})).healthy, false);
      const refused = await failureOf(other().sendMessage({ sessionId, message: "two" }));
      assertError(refused, Code.Unavailable, "SERVER_DRAINING");
      const joined = openStreamChat(other(), { sessionId, message: "one", requestId: lane.name });
      assert.equal(await joined.ended, undefined);
      // Each reads at its own pace.
      assert.equal(await running.ended, undefined);
      assert.deepEqual(joined.recorded(), running.recorded());
    };
    await Promise.all(calls.map(check));
    for (const { running, watch } of calls) {
      assert.equal(await running.ended, undefined);
      assert.equal(replyOf(running.events), words(100));
      assert.equal(running.events.at(-1)?.finishReason, FinishReason.STOP);
      const stopped = await watch.ended;
      assert.ok(stopped);
      assertError(stopped, Code.Unavailable, "SERVER_STOPPED");
    }
    assert.equal((await server.result()).code, 0);
  });
}

test("a drain does not wait for clients that never close", async (t) => {
  const server = await startServer(t, { env: { DRAIN_TIMEOUT_MS: "200" } });
  const calls = await Promise.all(
    binaryLanes.map(async (lane) => {
      const { chat } = connectLane(server, lane);
      const { sessionId } = await chat.createSession({ modelId: "scripted:9x1!hang@2" });
      const running = openStreamChat(chat, { sessionId, message: "one" });
      await running.first(({ chunkNumber }) => chunkNumber === 2);
      return running;
    }),
  );
  server.kill("SIGTERM");
  for (const { ended, events } of calls) {
    assert.equal((await ended)?.code, Code.Unavailable);
    assert.equal(events.at(-1)?.finishReason, FinishReason.INTERRUPTED);
  }
  assert.equal((await server.result()).code, 0);
});
