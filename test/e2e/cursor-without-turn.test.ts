import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { overLanes, plainLanes } from "../support/lanes.ts";
import { modelCalls } from "../support/turn-checks.ts";
import { assertError, collect, failureOf } from "../support/wire.ts";

overLanes(
  "a re-send whose turn is not known begins none",
  plainLanes,
  {},
  async ({ app, chat }) => {
    const resend = {
      message: "one",
      modelId: "scripted:9x1",
      requestId: "lost",
      afterSequence: 5n,
      afterEpoch: 1,
    };
    const error = await failureOf(collect(chat.streamChat(resend)));
    assertError(error, Code.OutOfRange, "SEQUENCE_OUT_OF_RANGE");
    assert.equal((await app.metrics()).get(modelCalls) ?? 0, 0);
  },
);
