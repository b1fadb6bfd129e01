import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../src/config.ts";
import { type ChatResponse, ChunkBy } from "../../src/gen/chat/chat_pb.ts";
import { openStorage, type Storage } from "../../src/storage.ts";
import { startApp } from "../support/app.ts";
import { connectLane, lanes } from "../support/lanes.ts";
import { temporaryFolder } from "../support/programs.ts";
import { openStreamChat } from "../support/stream-call.ts";
import { assertGapless } from "../support/turn-checks.ts";
import { collect } from "../support/wire.ts";

/** Waits until the log has forgotten what came up to the sequence; it prunes once a second. */
async function untilForgotten({ log }: Storage, sessionId: string, sequence: bigint) {
  const end = performance.now() + 5_000;
  while ((await log.floor(sessionId)) < Number(sequence)) {
    assert.ok(performance.now() < end, "the log keeps its events for ever");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

for (const adapter of ["memory", "sqlite"]) {
  test(`what the log has forgotten is replayed exactly (${adapter})`, async (t) => {
    const file = join(temporaryFolder(t), "chatwire.db");
    const database = adapter === "memory" ? "memory:" : `sqlite:${file}`;
    const env = { DATABASE_URL: database, EVENT_RETENTION_MS: "0" };
    const storage = await openStorage(loadConfig({ env: { ...env, SCRIPTED_MODEL: "1" } }));
    const app = await startApp(t, { env, overrides: { storage } });
    const clients = lanes.filter(({ tls }) => !tls).map((lane) => connectLane(app, lane));
    const [client] = clients;
    assert.ok(client);
    const { chat } = client;
    const { sessionId } = await chat.createSession({ modelId: "scripted:4x2" });
    const requestId = `exact-${adapter}`;
    const says = { modelId: "scripted:say", chunkBy: ChunkBy.CHARACTER };
    const thinks = { modelId: "scripted:thoughts", generation: { includeThoughts: true } };
    const running = openStreamChat(chat, { sessionId, message: "one", requestId });
    const events: ChatResponse[] = [];
    const queued = collect(
      chat.streamChat({ sessionId, message: "e\u0301 👩‍👩‍👧 \n\t x", ...says }),
    );
    assert.equal(await running.ended, undefined);
    await queued;
    await collect(chat.streamChat({ sessionId, message: "three", ...thinks }));
    await chat.updateSession({ sessionId, title: "A title" });
    const before = await collect(chat.watchSession({ sessionId, untilIdle: true }));
    events.push(...before.filter(({ sequence }) => sequence > 0n));
    assertGapless(events);
    const last = events.at(-1)?.sequence ?? 0n;
    await untilForgotten(storage, sessionId, last);

    for (const { chat: other } of clients) {
      for (const afterSequence of [0n, 3n, 9n, last - 1n, last]) {
        const watch = other.watchSession({ sessionId, afterSequence, untilIdle: true });
        const replayed = (await collect(watch)).filter(({ sequence }) => sequence > 0n);
        assert.deepEqual(replayed, events.slice(Number(afterSequence)));
      }
      const again = other.streamChat({ sessionId, message: "one", requestId, afterSequence: 3n });
      const own = running.events.filter(({ sequence }) => sequence > 3n);
      assert.deepEqual(await collect(again), own);
    }

    const next = await collect(chat.streamChat({ sessionId, message: "four" }));
    assert.equal(next[0]?.sequence, last + 1n);
  });
}
