import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ChatResponse,
  ChatResponse_Type,
  FinishReason,
  Message_State,
} from "../../src/gen/chat/chat_pb.ts";
import { connectLane, type Lane, lanes } from "../support/lanes.ts";
import { temporaryFolder } from "../support/programs.ts";
import { startServer } from "../support/server-process.ts";
import { failureOf, replyOf } from "../support/wire.ts";

const [grpc] = lanes as [Lane];

for (const durability of ["full", "normal"]) {
  test(`kill -9 in mid reply: what was seen is kept, DURABILITY=${durability}`, async (t) => {
    const cwd = temporaryFolder(t);
    const env = { DURABILITY: durability };
    const first = await startServer(t, { cwd, env });
    const { chat } = connectLane(first, grpc);
    const { sessionId } = await chat.createSession({ modelId: "scripted:1000x5" });
    const whole = await chat.sendMessage({ sessionId, message: "One", modelId: "scripted:say" });
    const seen: ChatResponse[] = [];
    const reading = (async () => {
      for await (const event of chat.streamChat({ sessionId, message: "Two" })) {
        seen.push(event);
        if (event.chunkNumber === 20) first.kill("SIGKILL");
      }
    })();
    await failureOf(reading);
    assert.equal((await first.result()).signal, "SIGKILL");

    const second = await startServer(t, { cwd, env });
    const { chat: again } = connectLane(second, grpc);
    const { messages, lastSequence } = await again.listMessages({ sessionId });
    assert.deepEqual(
      messages.map(({ state }) => state),
      [
        Message_State.COMPLETE,
        Message_State.COMPLETE,
        Message_State.COMPLETE,
        Message_State.PARTIAL,
      ],
    );
    const [, one, two, reply] = messages;
    assert.deepEqual([one?.text, two?.text], [whole.text, "Two"]);
    assert.equal(reply?.finishReason, FinishReason.INTERRUPTED);
    assert.ok(reply.text.startsWith(replyOf(seen)), "nothing that a client has seen is lost");
    const info = await again.getSessionInfo({ sessionId });
    assert.equal(info.runningTurnId, "");

    // The session is usable, its sequences go on, and the lost turn poisons nothing.
    const next: ChatResponse[] = [];
    const request = { sessionId, message: "Three", modelId: "scripted:say" };
    for await (const event of again.streamChat(request)) next.push(event);
    assert.equal(next.at(-1)?.type, ChatResponse_Type.RESPONSE_COMPLETE);
    assert.equal(replyOf(next), "Three");
    assert.equal(next[0]?.sequence, lastSequence + 1n);
    assert.ok(lastSequence > (seen.at(-1)?.sequence ?? 0n));
  });
}
