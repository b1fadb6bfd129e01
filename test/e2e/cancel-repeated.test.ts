// For test/e2e: fails today.
import assert from "node:assert/strict";
import { ChatResponse_Type } from "../../src/gen/chat/chat_pb.ts";
import { overLanes, plainLanes } from "../support/lanes.ts";
import { openStreamChat } from "../support/stream-call.ts";

overLanes(
  "CancelTurn repeated tells the same, by turn_id and by request_id",
  plainLanes,
  {},
  async ({ chat }) => {
    const { sessionId } = await chat.createSession({ modelId: "scripted:1000x20" });
    const requestId = "stop-me";
    const call = openStreamChat(chat, { sessionId, message: "one", requestId });
    const { turnId } = await call.firstOf(ChatResponse_Type.CHUNK);
    const first = await chat.cancelTurn({ sessionId, turnId });
    assert.deepEqual([first.cancelled, first.turnId], [true, turnId]);
    for (const name of [{ sessionId, turnId }, { sessionId, requestId }, { requestId }]) {
      const again = await chat.cancelTurn(name);
      assert.deepEqual([again.cancelled, again.turnId], [true, turnId], JSON.stringify(name));
    }
    await call.ended;
  },
);
