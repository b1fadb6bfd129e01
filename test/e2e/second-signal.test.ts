import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { FinishReason, OnDisconnect } from "../../src/gen/chat/chat_pb.ts";
import { connectLane, lanes } from "../support/lanes.ts";
import { temporaryFolder } from "../support/programs.ts";
import { startServer } from "../support/server-process.ts";
import { openStreamChat, openWatch } from "../support/stream-call.ts";
import { assertError } from "../support/wire.ts";

const plain = lanes.filter(({ tls }) => !tls);

test("a second signal tells every open stream that the server is gone, and ends it at once", async (t) => {
  const cwd = temporaryFolder(t);
  const server = await startServer(t, { cwd });
  const modelId = "scripted:1x0!hang@1";
  const turns = await Promise.all(
    plain.map(async (lane) => {
      const { chat } = connectLane(server, lane);
      const { sessionId } = await chat.createSession({ modelId });
      // Nobody's decision, whatever the turn's own request says of losses.
      const onDisconnect = OnDisconnect.CANCEL;
      const turn = openStreamChat(chat, { sessionId, message: "Go on", onDisconnect });
      const watch = openWatch(chat, { sessionId });
      await turn.first(({ chunkNumber }) => chunkNumber === 1);
      await watch.update("live");
      return { sessionId, turn, watch };
    }),
  );
  server.kill("SIGTERM");
  await server.until(/once more ends at once/);
  server.kill("SIGTERM");
  for (const { turn, watch } of turns) {
    for (const ended of [turn.ended, watch.ended]) {
      assertError((await ended) ?? assert.fail("it ended OK"), Code.Unavailable, "SERVER_STOPPED");
    }
  }
  assert.equal((await server.result()).code, 1);

  const again = connectLane(await startServer(t, { cwd }), plain[0] ?? assert.fail()).chat;
  for (const { sessionId } of turns) {
    const { messages } = await again.listMessages({ sessionId });
    assert.equal(messages.at(-1)?.finishReason, FinishReason.INTERRUPTED);
  }
});
