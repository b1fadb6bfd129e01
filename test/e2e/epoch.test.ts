import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { systemClock } from "../../src/chat/clock.ts";
import { createMemoryEventLog } from "../../src/event-log/memory.ts";
import type { Storage } from "../../src/storage.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { startApp } from "../support/app.ts";
import { connectLane, plainLanes } from "../support/lanes.ts";
import { assertError, collect, failureOf } from "../support/wire.ts";

const store = createMemoryStore();

/** The same store each time, with a log that knows nothing, as after a lossy failover. */
async function withLostLog(): Promise<Storage> {
  const kept = { clock: systemClock, retentionMs: 600_000, retentionBytes: 2 ** 24 };
  const log = await createMemoryEventLog(kept);
  return { store, log, setUrl: async () => undefined, close: () => log.close() };
}

for (const lane of plainLanes) {
  test(`a log found behind the store starts an epoch (${lane.name})`, async (t) => {
    const before = await startApp(t, { overrides: { storage: await withLostLog() } });
    const first = connectLane(before, lane);
    const { sessionId } = await first.chat.createSession({ modelId: "scripted:3x1" });
    const { sequence } = await first.chat.sendMessage({ sessionId, message: "one" });
    first.cut();
    await before.close();

    const after = await startApp(t, { overrides: { storage: await withLostLog() } });
    const { chat } = connectLane(after, lane);
    const cursor = { sessionId, afterSequence: 4n, afterEpoch: 1 };
    const lost = await failureOf(collect(chat.watchSession(cursor)));
    const { metadata } = assertError(lost, Code.DataLoss, "EPOCH_CHANGED");
    assert.equal(metadata.epoch, "2");
    const fresh = { sessionId, message: "lost", afterEpoch: 1 };
    const refused = await failureOf(collect(chat.streamChat(fresh)));
    assert.equal(assertError(refused, Code.DataLoss, "EPOCH_CHANGED").metadata.epoch, "2");
    const { messages, lastSequence, epoch } = await chat.listMessages({ sessionId });
    assert.deepEqual([messages.length, epoch], [2, 2]);
    assert.equal(lastSequence, sequence, "no sequence is used twice");
    const events = await collect(chat.streamChat({ sessionId, message: "two" }));
    assert.deepEqual([events[0]?.sequence, events[0]?.epoch], [sequence + 1n, 2]);
    const watch = { sessionId, afterSequence: lastSequence, afterEpoch: epoch, untilIdle: true };
    const watched = await collect(chat.watchSession(watch));
    assert.deepEqual(
      watched.filter((event) => event.sequence > 0n),
      events,
    );
  });
}
