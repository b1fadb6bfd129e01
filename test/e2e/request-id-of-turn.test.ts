import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { Client } from "@connectrpc/connect";
import { loadConfig } from "../../src/config.ts";
import {
  ChatRequest_Type,
  type ChatResponse,
  type ChatService,
  OnBusy,
} from "../../src/gen/chat/chat_pb.ts";
import { openStorage } from "../../src/storage.ts";
import { startApp } from "../support/app.ts";
import { connectLane, type Lane, lanes } from "../support/lanes.ts";
import { temporaryFolder } from "../support/programs.ts";
import { startServer } from "../support/server-process.ts";
import { openStreamChat } from "../support/stream-call.ts";
import { collect, failureOf } from "../support/wire.ts";

const { CONTINUE, REGENERATE } = ChatRequest_Type;
const [grpc] = lanes as [Lane];

type Chat = Client<typeof ChatService>;

/** The recorded events of the session. */
async function recordedIn(chat: Chat, sessionId: string): Promise<ChatResponse[]> {
  const events = await collect(chat.watchSession({ sessionId, untilIdle: true }));
  return events.filter(({ sequence }) => sequence > 0n);
}

/** What each turn's first event says: whose request began it, and with which one its question came. */
function questionsIn(events: readonly ChatResponse[]): (string | undefined)[][] {
  const first = events.filter(({ userMessage }) => userMessage !== undefined);
  return first.map(({ requestId, userMessage }) => [requestId, userMessage?.requestId]);
}

for (const adapter of ["memory", "sqlite"]) {
  test(`a turn's first event names the turn's own request, also when retold (${adapter})`, async (t) => {
    const file = join(temporaryFolder(t), "chatwire.db");
    const database = adapter === "memory" ? "memory:" : `sqlite:${file}`;
    const env = { DATABASE_URL: database, EVENT_RETENTION_MS: "0" };
    const storage = await openStorage(loadConfig({ env: { ...env, SCRIPTED_MODEL: "1" } }));
    const app = await startApp(t, { env, overrides: { storage } });
    const { chat } = connectLane(app, grpc);
    const { sessionId } = await chat.createSession({ modelId: "scripted:9x1!max_tokens@2" });
    const live: ChatResponse[] = [];
    const send = async (request: object) =>
      live.push(...(await collect(chat.streamChat({ sessionId, ...request }))));
    await send({ message: "one", requestId: "asked" });
    await send({ type: REGENERATE, requestId: "again" });
    await send({ type: CONTINUE, requestId: "more" });
    await send({ type: REGENERATE });
    const told = [
      ["asked", "asked"],
      ["again", "asked"],
      ["more", "asked"],
      ["", "asked"],
    ];
    assert.deepEqual(questionsIn(live), told);

    const last = live.at(-1)?.sequence ?? 0n;
    const deadlineMs = performance.now() + 5_000;
    while ((await storage.log.floor(sessionId)) < Number(last)) {
      assert.ok(performance.now() < deadlineMs, "the log keeps its events for ever");
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(await recordedIn(chat, sessionId), live);
    const again = { type: CONTINUE, sessionId, requestId: "more" };
    assert.deepEqual(questionsIn(await collect(chat.streamChat(again))), [["more", "asked"]]);
  });
}

test("a REGENERATE that interrupts names its own request, whatever its first event is", async (t) => {
  const app = await startApp(t);
  const { chat } = connectLane(app, grpc);
  const { sessionId } = await chat.createSession({ modelId: "scripted:1000x5" });
  const running = openStreamChat(chat, { sessionId, message: "one", requestId: "asked" });
  await running.first(({ chunkNumber }) => chunkNumber === 1);
  const asked = { type: REGENERATE, sessionId, requestId: "again", onBusy: OnBusy.INTERRUPT };
  const events = await collect(chat.streamChat({ ...asked, modelId: "scripted:2x1" }));
  assert.deepEqual(questionsIn(events), [["again", "asked"]]);
  assert.ok(events[0]?.userMessage);
});

for (const killAt of [1, 0]) {
  test(`kill -9 ${killAt === 0 ? "before" : "after"} the first chunk: the turn's request is told again`, async (t) => {
    const cwd = temporaryFolder(t);
    const first = await startServer(t, { cwd });
    const { chat } = connectLane(first, grpc);
    const { sessionId } = await chat.createSession({ modelId: "scripted:2x1" });
    await chat.sendMessage({ sessionId, message: "one", requestId: "asked" });
    const asked = { type: REGENERATE, sessionId, requestId: "again" };
    const modelId = killAt === 0 ? "scripted:9x1!hang@0" : "scripted:1000x5";
    const seen: ChatResponse[] = [];
    const reading = (async () => {
      for await (const event of chat.streamChat({ ...asked, modelId })) {
        seen.push(event);
        if (event.chunkNumber === killAt) first.kill("SIGKILL");
      }
    })();
    await failureOf(reading);
    await first.result();

    const second = await startServer(t, { cwd });
    const { chat: later } = connectLane(second, grpc);
    const told = questionsIn(await recordedIn(later, sessionId));
    assert.deepEqual(told, [
      ["asked", "asked"],
      ["again", "asked"],
    ]);
    assert.deepEqual(questionsIn(seen), told.slice(1));
  });
}
