import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { systemClock } from "../../src/chat/clock.ts";
import { createSqliteEventLog, eventLogModule } from "../../src/event-log/sqlite.ts";
import {
  type ChatResponse,
  ChatResponse_Type,
  FinishReason,
  Message_State,
} from "../../src/gen/chat/chat_pb.ts";
import { type Caller, createCaller, openDatabase } from "../../src/sqlite/database.ts";
import type { Storage } from "../../src/storage.ts";
import { createSqliteStore, storeModule } from "../../src/store/sqlite.ts";
import { request, startApp, untilMetrics } from "../support/app.ts";
import { connectLane, type Lane, lanes } from "../support/lanes.ts";
import { temporaryFolder } from "../support/programs.ts";
import { openStreamChat, openWatch } from "../support/stream-call.ts";
import { assertGapless, modelAborts, words } from "../support/turn-checks.ts";
import { assertError, collect, failureOf, replyOf } from "../support/wire.ts";
import { probeModule } from "../unit/sqlite/probe.ts";
import type { ProbeOperations } from "../unit/sqlite/probe-operations.ts";

type Probe = Caller<ProbeOperations>;

type Fault = {
  name: string;
  begin(probe: Probe): Promise<void>;
  end(probe: Probe): Promise<void>;
};

/** What the operator is told; the health check comes where the fault lasts. */
const expectErrors = /STORAGE_UNAVAILABLE|the storage fails: health says NOT_SERVING/;

/** The one that refuses every write, however small. */
const readOnly: Fault = {
  name: "a database that may not be written",
  begin: (probe) => probe("setReadOnly", { isReadOnly: true }),
  end: (probe) => probe("setReadOnly", { isReadOnly: false }),
};

const faults: readonly Fault[] = [
  {
    name: "a full disk",
    begin: (probe) => probe("limitPages", { pagesMax: 1 }),
    end: (probe) => probe("limitPages", { pagesMax: 0 }),
  },
  readOnly,
];

const chosen = lanes.filter(
  ({ protocol, httpVersion, tls, json }) =>
    !tls && !json && (protocol === "grpc" || (protocol === "connect" && httpVersion === "1.1")),
);

for (const fault of faults) for (const lane of chosen) testFault(fault, lane);

function testFault(fault: Fault, lane: Lane): void {
  test(`${fault.name} in mid turn ends the turn, not the server (${lane.name})`, async (t) => {
    const { storage, probe } = await openStorage(t);
    const app = await startApp(t, { overrides: { storage }, expectErrors });
    app.defer(() => fault.end(probe));
    const { chat } = connectLane(app, lane);
    const kept = await chat.sendMessage({ message: "Before", modelId: "scripted:say" });
    const asked = { message: "Count", modelId: "scripted:2000x2", requestId: "count" };
    const stream = openStreamChat(chat, asked);
    const { sessionId } = await stream.first(({ chunkNumber }) => chunkNumber === 5);
    const watch = openWatch(chat, { sessionId });
    await watch.first(({ chunkNumber }) => chunkNumber === 5);

    await fault.begin(probe);
    for (const call of [stream, watch]) {
      const error = await call.ended;
      assert.ok(error, "it did not end with a status");
      assertError(error, Code.Unavailable, "STORAGE_UNAVAILABLE");
      assertUnrecordedError(call.events.at(-1));
    }
    await untilMetrics(app, (metrics) => metrics.get(modelAborts) === 1);

    const large = { message: "x".repeat(200_000), modelId: "scripted:echo", requestId: "refused" };
    const refused = await failureOf(chat.sendMessage(large));
    const { retryMs } = assertError(refused, Code.Unavailable, "STORAGE_UNAVAILABLE");
    assert.ok(retryMs);
    const ready = await request(app, { path: "/readyz" });
    assert.equal(ready.status, 503);
    assert.match(ready.body, /cannot write to its storage.*\(Error: .*(full|readonly)/);
    assert.equal((await request(app, { path: "/healthz" })).status, 200);
    const { messages } = await chat.listMessages({ sessionId: kept.sessionId });
    assert.deepEqual(
      messages.map(({ text }) => text),
      ["Before", "Before"],
    );

    await fault.end(probe);
    const log = await collect(chat.watchSession({ sessionId, untilIdle: true }));
    const recorded = log.filter(({ sequence }) => sequence > 0n);
    assertGapless(recorded);
    assertInterrupted(recorded.at(-1));
    assertContains(recorded, stream.recorded());
    assertContains(recorded, watch.recorded());
    const reply = replyOf(recorded);
    assert.ok(words(2_000).startsWith(reply));
    const after = await chat.listMessages({ sessionId });
    assert.deepEqual(
      after.messages.map(({ text, state }) => [text, state]),
      [
        ["Count", Message_State.COMPLETE],
        [reply, Message_State.PARTIAL],
      ],
    );
    assert.equal((await request(app, { path: "/readyz" })).status, 200);
    const again = await chat.sendMessage(large);
    assert.equal(again.finishReason, FinishReason.STOP);
    const next = await chat.sendMessage({ sessionId, message: "On", modelId: "scripted:say" });
    assert.equal(next.text, "On");
  });
}

for (const lane of chosen) {
  test(`what is asked of a session whose turn waits for the storage is refused, and not done later (${lane.name})`, async (t) => {
    const { storage, probe } = await openStorage(t);
    const app = await startApp(t, { overrides: { storage }, expectErrors });
    app.defer(() => readOnly.end(probe));
    const { chat } = connectLane(app, lane);
    const stream = openStreamChat(chat, { message: "Count", modelId: "scripted:2000x2" });
    const { sessionId } = await stream.first(({ chunkNumber }) => chunkNumber === 5);

    await readOnly.begin(probe);
    const title = { sessionId, title: "New" };
    const calls = [
      () => chat.deleteSession({ sessionId }, patient),
      () => chat.cancelTurn({ sessionId }, patient),
      () => chat.updateSession(title, patient),
      () => chat.sendMessage({ sessionId, message: "On" }, patient),
      () => chat.deleteSession({ sessionId }, patient),
    ];
    for (const call of calls) {
      const error = await failureOf(call());
      assert.ok(assertError(error, Code.Unavailable, "STORAGE_UNAVAILABLE").retryMs);
    }
    assertError((await stream.ended) ?? assert.fail(), Code.Unavailable, "STORAGE_UNAVAILABLE");

    await readOnly.end(probe);
    await collect(chat.watchSession({ sessionId, untilIdle: true }));
    const { messages } = await chat.listMessages({ sessionId });
    assert.deepEqual(
      messages.map(({ state }) => state),
      [Message_State.COMPLETE, Message_State.PARTIAL],
    );
    assert.equal((await chat.updateSession(title)).session?.title, "New");
    await chat.deleteSession({ sessionId });
  });
}

/** Past this a call counts as hanging. */
const patient = { timeoutMs: 10_000 };

/** The storage that users have, whose disk a test can fill. */
async function openStorage(t: TestContext): Promise<{ storage: Storage; probe: Probe }> {
  const database = await openDatabase({
    file: join(temporaryFolder(t), "chatwire.db"),
    durability: "full",
    modules: [storeModule, eventLogModule, probeModule],
    owner: { url: "" },
  });
  const retention = { retentionMs: 600_000, retentionBytes: 2 ** 26 };
  const log = await createSqliteEventLog(database, { clock: systemClock, ...retention });
  const store = createSqliteStore(database);
  const storage: Storage = {
    store,
    log,
    setUrl: (url) => database.setOwner({ url }),
    async close() {
      store.close();
      await log.close();
      await database.close();
    },
  };
  return { storage, probe: createCaller<ProbeOperations>(database, "probe") };
}

function assertUnrecordedError(event: ChatResponse | undefined): void {
  assert.equal(event?.type, ChatResponse_Type.ERROR);
  assert.equal(event.sequence, 0n);
  assert.equal(event.errorReason, "STORAGE_UNAVAILABLE");
  assert.ok(event.retryable && !event.isFinal);
}

function assertInterrupted(event: ChatResponse | undefined): void {
  assert.equal(event?.type, ChatResponse_Type.ERROR);
  assert.equal(event.finishReason, FinishReason.INTERRUPTED);
  assert.equal(event.errorReason, "STORAGE_UNAVAILABLE");
  assert.ok(event.isFinal);
}

function assertContains(log: readonly ChatResponse[], seen: readonly ChatResponse[]): void {
  for (const event of seen) {
    const { sequence, type, chunkText } = event;
    const found = log[Number(sequence) - 1];
    assert.deepEqual([found?.type, found?.chunkText], [type, chunkText], `event ${sequence}`);
  }
}
