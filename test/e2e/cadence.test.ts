import assert from "node:assert/strict";
import { ChatResponse_Type } from "../../src/gen/chat/chat_pb.ts";
import { binaryLanes, overLanes } from "../support/lanes.ts";
import { collect } from "../support/wire.ts";

const chunks = 50;
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
    const [first = 0] = times;
    const meanMs = ((times.at(-1) ?? 0) - first) / (chunks - 1);
    assert.ok(Math.abs(meanMs - intervalMs) <= intervalMs * 0.2, `${meanMs} ms a chunk`);
    // Chunk i is due at its place, however late its neighbours were.
    const late = times.map((time, index) => time - first - index * intervalMs);
    const median = late.toSorted((a, b) => a - b)[chunks / 2] ?? Number.NaN;
    assert.ok(Math.abs(median) <= intervalMs * 0.2, `${median} ms off its place`);
    const end = events.at(-1);
    assert.ok(Math.abs((end?.processingTime ?? 0) * 1_000 - (end?.elapsedMs ?? 0)) <= 2);
  },
);
