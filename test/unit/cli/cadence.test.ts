import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createCadence } from "../../../src/cli/cadence.ts";
import { ChatResponseSchema } from "../../../src/gen/chat/chat_pb.ts";

describe("the cadence of a replay", () => {
  test("holds an event back as long as the model took to it, and waits for nothing between turns", async () => {
    let now = 5_000;
    const waits: number[] = [];
    const cadence = createCadence({
      now: () => now,
      wait: async (ms) => {
        waits.push(ms);
        now += ms;
      },
    });
    const { signal } = new AbortController();
    const show = (turnId: string, elapsedMs: number) =>
      cadence(create(ChatResponseSchema, { turnId, elapsedMs }), signal);
    await show("a", 0);
    await show("a", 40);
    await show("a", 100);
    // The reader is late by 20 ms, and catches up.
    now += 20;
    await show("a", 130);
    await show("a", 130);
    await show("", 0);
    await show("b", 10);
    await show("b", 15);
    assert.deepEqual(waits, [40, 60, 10, 5]);
  });
});
