import assert from "node:assert/strict";
import { ChatResponse_Type } from "../../src/gen/chat/chat_pb.ts";
import { lanes, overLanes } from "../support/lanes.ts";
import { timestampPattern } from "../support/wire.ts";

const env = { HEARTBEAT_MS: "20" };

overLanes("silence is filled with heartbeats", lanes, { env }, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:5x0!hang@1" });
  let heartbeats = 0;
  for await (const event of chat.streamChat({ sessionId, message: "Hi" })) {
    if (event.type !== ChatResponse_Type.HEARTBEAT) continue;
    assert.equal(event.sequence, 0n);
    assert.match(event.timestamp, timestampPattern);
    heartbeats += 1;
    if (heartbeats === 3) await chat.cancelTurn({ sessionId });
  }
  assert.ok(heartbeats >= 3);
});
