import assert from "node:assert/strict";
import { ChatResponse_Type } from "../../src/gen/chat/chat_pb.ts";
import { binaryLanes, overLanes } from "../support/lanes.ts";
import { collect } from "../support/wire.ts";

const chunks = 50;
const half = chunks / 2;
const intervalMs = 20;

overLanes(
  "a replay by elapsed_ms has the reply's cadence",
  binaryLanes.slice(0, 1),
  {},
  async (c) => {
    const { chat } = c;
    const request = {
      message: "one",
      modelId: `scripted:${chunks}x${intervalMs}`,
      requestId: "one",
    };
    const events = await collect(chat.streamChat(request));
    const replay = await collect(chat.streamChat(request));
    const times = replay
      .filter(({ type }) => type === ChatResponse_Type.CHUNK)
      .map(({ elapsedMs }) => elapsedMs);
    assert.equal(times.length, chunks);
    assert.deepEqual(
      replay.map(({ elapsedMs }) => elapsedMs),
      events.map(({ elapsedMs }) => elapsedMs),
    );
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    // The median of many: a chunk or two that a busy machine delays are no other cadence.
    const paces = times
      .slice(half)
      .map((time, index) => (time - (times[index] ?? Number.NaN)) / half)
      .toSorted((a, b) => a - b);
    const paceMs = paces[Math.floor(half / 2)] ?? Number.NaN;
    assert.ok(Math.abs(paceMs - intervalMs) <= intervalMs * 0.2, `${paceMs} ms a chunk`);
    const end = events.at(-1);
    assert.ok(Math.abs((end?.processingTime ?? 0) * 1_000 - (end?.elapsedMs ?? 0)) <= 2);
  },
);
