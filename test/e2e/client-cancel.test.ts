import assert from "node:assert/strict";
import { FinishReason, OnDisconnect } from "../../src/gen/chat/chat_pb.ts";
import { overClientLanes } from "../support/client-lanes.ts";
import { modelAborts } from "../support/turn-checks.ts";

overClientLanes(
  "a turn that was left by break is stopped by cancel",
  {},
  async ({ app, client }) => {
    const onDisconnect = OnDisconnect.CONTINUE;
    const turn = client.send("Go on", { modelId: "scripted:3000x10", onDisconnect });
    for await (const { chunkNumber } of turn.events) if (chunkNumber === 3) break;
    const { cancelled, turnId } = await turn.cancel();
    assert.deepEqual([cancelled, turnId], [true, turn.turnId]);
    const { messages } = await client.session(turn.sessionId).listMessages();
    assert.equal(messages.at(-1)?.finishReason, FinishReason.CANCELLED);
    assert.equal((await app.metrics()).get(modelAborts), 1);
  },
);

overClientLanes(
  "a turn that was left at once is stopped by cancel, or never began",
  {},
  async ({ client }) => {
    const leaving = new AbortController();
    const onDisconnect = OnDisconnect.CONTINUE;
    const { signal } = leaving;
    const turn = client.send("Go on", { modelId: "scripted:3000x10", onDisconnect, signal });
    turn.result().catch(() => undefined);
    leaving.abort();
    const { turnId } = await turn.cancel();
    const { sessions } = await client.listSessions();
    assert.deepEqual(
      sessions.map(({ running }) => running),
      turnId === "" ? [] : [false],
    );
  },
);
