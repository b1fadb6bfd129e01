import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { binaryLanes, overLanes } from "../support/lanes.ts";
import { openStreamChat } from "../support/stream-call.ts";
import { assertError, collect, failureOf } from "../support/wire.ts";

overLanes(
  "a request that is sent again is counted once, and each refusal",
  binaryLanes,
  {},
  async ({ chat }) => {
    const counts = async () => {
      const { totalRequests, successfulRequests, failedRequests } = await chat.getServerStats({});
      return [totalRequests, successfulRequests, failedRequests];
    };
    const { sessionId } = await chat.createSession({ modelId: "scripted:1000x60" });
    const asked = { sessionId, message: "one", requestId: "r" };
    const first = openStreamChat(chat, asked);
    await first.first(({ chunkNumber }) => chunkNumber === 1);
    const joined = openStreamChat(chat, asked);
    await joined.first(({ chunkNumber }) => chunkNumber === 1);
    await chat.cancelTurn({ sessionId });
    assert.deepEqual([await first.ended, await joined.ended], [undefined, undefined]);
    assert.deepEqual(await counts(), [1, 1, 0]);

    await collect(chat.streamChat(asked));
    await chat.sendMessage(asked);
    assert.deepEqual(await counts(), [1, 1, 0], "a replay is no new request");

    const other = await failureOf(chat.sendMessage({ ...asked, message: "two" }));
    assertError(other, Code.AlreadyExists, "REQUEST_ID_REUSED");
    assert.deepEqual(await counts(), [2, 1, 1]);
    const ahead = await failureOf(collect(chat.streamChat({ ...asked, afterSequence: 999n })));
    assertError(ahead, Code.OutOfRange, "SEQUENCE_OUT_OF_RANGE");
    assert.deepEqual(await counts(), [3, 1, 2]);
  },
);
