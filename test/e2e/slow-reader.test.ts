import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import diagnostics from "node:diagnostics_channel";
import type { Http2Stream } from "node:http2";
import type { Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { EventLog } from "../../src/chat/event-log.ts";
import { loadConfig } from "../../src/config.ts";
import { type ChatResponse, ChatResponse_Type, FinishReason } from "../../src/gen/chat/chat_pb.ts";
import { openStorage, type Storage } from "../../src/storage.ts";
import { startApp } from "../support/app.ts";
import { connectLane, lanes } from "../support/lanes.ts";
import { createModel, createTestProvider, finish, saying } from "../support/models.ts";
import { temporaryFolder } from "../support/programs.ts";
import { assertGapless } from "../support/turn-checks.ts";
import { collect, replyOf } from "../support/wire.ts";

/** 24 MiB: several times what a connection's buffers hold, those of the operating system included. */
const chunks = 3_000;
// Nothing that compression could make small.
const chunk = randomBytes(6 * 1_024).toString("base64");
const reply = chunk.repeat(chunks);
const recordedEvents = chunks + 3;

/** What a connection may hold back for a reader that does not read, bytes: node:http2's window and buffers. */
const bufferedBytesMax = 512 * 1_024;

const chosen = lanes.filter(
  ({ protocol, httpVersion, tls, json }) =>
    !tls && !json && (protocol === "grpc" || (protocol === "connect" && httpVersion === "1.1")),
);

for (const lane of chosen) {
  test(`a reader that stops reading costs bounded memory and delays nobody (${lane.name})`, async (t) => {
    const buffered = countBuffered(t);
    const { storage, given } = await openCounted(t);
    const model = createModel(saying(...Array<string>(chunks).fill(chunk), finish));
    const overrides = { storage, providers: [createTestProvider(model)] };
    const app = await startApp(t, { overrides });
    const slow = connectLane(app, lane);
    const { sessionId } = await slow.chat.createSession({ modelId: "test" });
    const stopped = await watchFirst(slow.chat, sessionId);
    const before = given().length;

    // Compressed for the slow reader alone: for both it is half of this test's work.
    const fast = connectLane(app, lane, { acceptCompression: [] });
    const events = await collect(fast.chat.streamChat({ sessionId, message: "Count" }));
    const recorded = events.filter(({ sequence }) => sequence > 0n);
    assertGapless(recorded);
    assert.equal(recorded.length, recordedEvents);
    assert.equal(recorded.at(-1)?.finishReason, FinishReason.STOP);
    assert.ok(replyOf(recorded) === reply);

    // The whole reply is there, and the reader that stopped has not been given it.
    const [ofStopped = 0] = given();
    assert.ok(before >= 1 && ofStopped < recordedEvents / 2, `it was given ${ofStopped} events`);
    assert.ok(buffered() < bufferedBytesMax, `${buffered()} bytes wait in the server`);
    const other = await fast.chat.sendMessage({ message: "Others?", modelId: "scripted:say" });
    assert.equal(other.text, "Others?");

    // It goes on where it stopped.
    const rest: ChatResponse[] = [];
    for (;;) {
      const { value, done } = await stopped.next();
      assert.ok(!done, "the watch ended");
      if (value.sequence > 0n) rest.push(value);
      if (value.isFinal) break;
    }
    assertGapless(rest);
    assert.ok(replyOf(rest) === reply);
    slow.cut();
    await assert.rejects(async () => {
      for (;;) assert.ok(!(await stopped.next()).done);
    });
  });
}

/** A watch that has been read up to its `live`, and no further. */
async function watchFirst(
  chat: ReturnType<typeof connectLane>["chat"],
  sessionId: string,
): Promise<AsyncIterator<ChatResponse>> {
  const watch = chat.watchSession({ sessionId })[Symbol.asyncIterator]();
  for (;;) {
    const { value, done } = await watch.next();
    assert.ok(!done, "the watch ended");
    assert.equal(value.type, ChatResponse_Type.SESSION_UPDATE);
    if (value.updateType === "live") return watch;
  }
}

/** Users' storage, which counts the events that each reader of its log has been given. */
async function openCounted(t: TestContext): Promise<{ storage: Storage; given: () => number[] }> {
  const file = join(temporaryFolder(t), "chatwire.db");
  const storage = await openStorage(loadConfig({ env: { DATABASE_URL: `sqlite:${file}` } }));
  const counts: number[] = [];
  const log: EventLog = {
    ...storage.log,
    read(sessionId, afterSequence, signal) {
      const reader = counts.push(0) - 1;
      const events = storage.log.read(sessionId, afterSequence, signal);
      return counted(events, () => {
        counts[reader] = (counts[reader] ?? 0) + 1;
      });
    },
  };
  return { storage: { ...storage, log }, given: () => counts };
}

async function* counted<T>(values: AsyncIterable<T>, count: () => void): AsyncGenerator<T> {
  for await (const value of values) {
    count();
    yield value;
  }
}

/** Counts the bytes that wait in this process's server sockets and HTTP/2 streams. */
function countBuffered(t: TestContext): () => number {
  const writables = new Set<Socket | Http2Stream>();
  const onSocket = (message: unknown) => {
    writables.add((message as { socket: Socket }).socket);
  };
  const onStream = (message: unknown) => {
    writables.add((message as { stream: Http2Stream }).stream);
  };
  diagnostics.subscribe("net.server.socket", onSocket);
  diagnostics.subscribe("http2.server.stream.created", onStream);
  t.after(() => {
    diagnostics.unsubscribe("net.server.socket", onSocket);
    diagnostics.unsubscribe("http2.server.stream.created", onStream);
  });
  return () => {
    assert.ok(writables.size > 0, "nothing was counted");
    return [...writables].reduce((sum, { writableLength }) => sum + writableLength, 0);
  };
}
