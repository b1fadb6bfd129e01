import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  ChatResponse_Type,
  FinishReason,
  Message_State,
  OnDisconnect,
} from "../../src/gen/chat/chat_pb.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus,
} from "../../src/gen/grpc/health/v1/health_pb.ts";
import { request as httpRequest, startApp } from "../support/app.ts";
import { binaryLanes, connectLane, lanes, overLanes } from "../support/lanes.ts";
import { temporaryFolder } from "../support/programs.ts";
import { openChat, openStreamChat, openWatch, type StreamCall } from "../support/stream-call.ts";
import { assertGapless, messagesWhenIdle, modelCalls, words } from "../support/turn-checks.ts";
import { assertError, failureOf, replyOf } from "../support/wire.ts";

const { CHUNK, ERROR } = ChatResponse_Type;
const { CANCELLED, INTERRUPTED, STOP } = FinishReason;

const patient = { env: { DRAIN_TIMEOUT_MS: "20000" } };

/** Over TLS a connection of either HTTP version ends otherwise; the encoding has no part in it. */
const closingLanes = lanes.filter(({ json, tls, protocol, httpVersion }) => {
  if (json) return false;
  return !tls || protocol === "grpc" || (protocol === "connect" && httpVersion === "1.1");
});

function assertRetryable(error: ConnectError | undefined, reason: string): void {
  assert.ok(error, "the stream ended as if all were well");
  const { retryMs } = assertError(error, Code.Unavailable, reason);
  assert.ok(retryMs && retryMs > 0);
}

async function assertDraining({ events, update }: StreamCall): Promise<void> {
  const { last_sequence: lastSequence } = await update("draining");
  assert.equal(typeof lastSequence, "number");
  const notice = events.find(({ updateType }) => updateType === "draining");
  assert.deepEqual([notice?.sequence, notice?.epoch], [0n, 0]);
}

overLanes("a drain lets turns end and refuses new ones", closingLanes, patient, async (c) => {
  const { app, lane, chat } = c;
  const { sessionId } = await chat.createSession({ modelId: "scripted:9x1!hang@3" });
  const own = { sessionId, message: "one", requestId: "running" };
  const running = openStreamChat(chat, own);
  await running.first(({ chunkNumber }) => chunkNumber === 3);
  const idle = await chat.createSession({ modelId: "scripted:3x1" });
  const watch = openWatch(chat, { sessionId });
  const quiet = openWatch(chat, { sessionId: idle.sessionId });
  for (const { update } of [watch, quiet]) await update("live");
  const closing = app.close();
  for (const call of [running, watch, quiet]) await assertDraining(call);

  // A connection that is made during the drain serves what it has open, and closes.
  const other = () => connectLane(app, lane).chat;
  assert.equal((await other().health({})).healthy, false);
  const health = createClient(Health, connectLane(app, lane).transport);
  const { status } = await health.check({ service: "chat.ChatService" });
  assert.equal(status, HealthCheckResponse_ServingStatus.NOT_SERVING);
  for (const sessionOf of [sessionId, idle.sessionId, ""]) {
    const fresh = { sessionId: sessionOf, message: "two", requestId: "new" };
    assertRetryable(await failureOf(other().sendMessage(fresh)), "SERVER_DRAINING");
    assertRetryable(await openStreamChat(other(), fresh).ended, "SERVER_DRAINING");
  }
  const joined = openStreamChat(other(), own);
  const late = openWatch(other(), { sessionId });
  for (const call of [joined, late]) {
    await call.first(({ chunkNumber }) => chunkNumber === 3);
    await assertDraining(call);
  }
  assert.equal((await other().listMessages({ sessionId })).messages.length, 2);
  assert.equal((await other().cancelTurn({ sessionId })).cancelled, true);
  for (const call of [running, joined]) {
    assert.equal(await call.ended, undefined);
    assert.equal(call.events.at(-1)?.finishReason, CANCELLED);
  }
  for (const call of [watch, late]) {
    assertRetryable(await call.ended, "SERVER_STOPPED");
    assert.equal(call.recorded().at(-1)?.finishReason, CANCELLED);
    assertGapless(call.recorded());
  }
  assertRetryable(await quiet.ended, "SERVER_STOPPED");
  await closing;
});

const hasty = { env: { DRAIN_TIMEOUT_MS: "100" } };

overLanes("what has not ended by then is interrupted", binaryLanes, hasty, async (c) => {
  const { app, chat } = c;
  const { sessionId } = await chat.createSession({ modelId: "scripted:9x1!hang@3" });
  const watch = openWatch(chat, { sessionId });
  const running = openStreamChat(chat, { sessionId, message: "one" });
  await running.first(({ chunkNumber }) => chunkNumber === 3);
  const sending = failureOf(chat.sendMessage({ message: "two", modelId: "scripted:9x1!hang@0" }));
  while (app.app.engine.runningTurns() < 2) await chat.health({});
  await app.close();
  assertRetryable(await running.ended, "SERVER_STOPPED");
  const end = running.events.at(-1);
  assert.deepEqual(
    [end?.type, end?.finishReason, end?.errorReason, end?.retryable],
    [ERROR, INTERRUPTED, "SERVER_STOPPED", true],
  );
  assert.ok(end && end.sequence > 0n);
  assertRetryable(await watch.ended, "SERVER_STOPPED");
  assert.equal(watch.recorded().at(-1)?.sequence, end.sequence);
  assertRetryable(await sending, "SERVER_STOPPED");
});

overLanes("Chat streams are told, and end", binaryLanes.filter(isBidi), patient, async (c) => {
  const { app, chat } = c;
  const { sessionId } = await chat.createSession({ modelId: "scripted:40x10" });
  const idle = openChat(chat);
  await idle.send({ type: 1 });
  const call = openChat(chat);
  await call.send({ sessionId, message: "one", requestId: "one" });
  await call.firstOf(CHUNK);
  const closing = app.close();
  await call.first(({ updateType }) => updateType === "draining");
  await call.send({ message: "two", requestId: "two" });
  const refused = await call.firstOf(ERROR);
  assert.deepEqual([refused.errorReason, refused.requestId], ["SERVER_DRAINING", "two"]);
  assert.ok(refused.retryable && refused.retryAfterMs > 0);
  assertRetryable(await call.ended, "SERVER_STOPPED");
  assert.equal(replyOf(call.events), words(40), "nothing of the running turn is lost");
  assertRetryable(await idle.ended, "SERVER_STOPPED");
  await closing;
});

function isBidi({ httpVersion, protocol }: { httpVersion: string; protocol: string }): boolean {
  return httpVersion === "2" && protocol !== "grpc-web";
}

for (const lane of binaryLanes.filter(({ protocol }) => protocol !== "grpc-web")) {
  test(`the next start goes on where the drain ended (${lane.name})`, async (t) => {
    const file = join(temporaryFolder(t), "chatwire.db");
    const env = { DATABASE_URL: `sqlite:${file}`, DRAIN_TIMEOUT_MS: "0" };
    const before = await startApp(t, { env });
    const first = connectLane(before, lane);
    const { sessionId } = await first.chat.createSession({ modelId: "scripted:9x1!hang@3" });
    const onDisconnect = OnDisconnect.CONTINUE;
    const own = { sessionId, message: "one", requestId: "one", onDisconnect };
    const running = openStreamChat(first.chat, own);
    await running.first(({ chunkNumber }) => chunkNumber === 3);
    const next = { sessionId, message: "two", requestId: "two", onDisconnect };
    const waiting = openStreamChat(first.chat, { ...next, modelId: "scripted:20x5" });
    await waiting.update("turn_queued");
    const watch = openWatch(first.chat, { sessionId });
    await watch.update("live");
    await before.close();
    for (const { ended } of [running, waiting, watch]) {
      assert.equal((await ended)?.code, Code.Unavailable);
    }

    const after = await startApp(t, { env });
    const { chat } = connectLane(after, lane);
    const seen = watch.recorded();
    const afterSequence = seen.at(-1)?.sequence ?? 0n;
    const again = openStreamChat(chat, { ...next, modelId: "scripted:20x5" });
    const resumed = openWatch(chat, { sessionId, afterSequence, afterEpoch: 1, untilIdle: true });
    assert.deepEqual([await again.ended, await resumed.ended], [undefined, undefined]);
    assert.equal(replyOf(again.events), words(20), "what waited has run");
    assertGapless([...seen, ...resumed.recorded()]);
    const [question, reply, ...rest] = await messagesWhenIdle(chat, sessionId);
    assert.deepEqual(
      [question?.text, reply?.text, reply?.state, reply?.finishReason],
      ["one", words(3), Message_State.PARTIAL, INTERRUPTED],
    );
    assert.deepEqual(
      rest.map(({ text }) => text),
      ["two", words(20)],
    );
    const replay = openStreamChat(chat, own);
    assertRetryable(await replay.ended, "SERVER_STOPPED");
    assert.deepEqual(replay.events.at(-1)?.finishReason, INTERRUPTED);
    assert.equal((await after.metrics()).get(modelCalls), 1, "the interrupted turn ran once");
  });
}

/**
 * Opens one call after the other until the server refuses connections; each succeeds or says try again. Where
 * `mayCut` holds the connection may also close without an answer, which clients take for the same.
 */
async function callThroughout(call: () => Promise<unknown>, mayCut: () => boolean) {
  for (;;) {
    const error = await call().then(
      () => undefined,
      (thrown: unknown) => ConnectError.from(thrown),
    );
    if (error?.message.includes("ECONNREFUSED")) return;
    assert.ok(!error || isRefusal(error) || (mayCut() && isCut(error)), `${error}`);
  }
}

/** A stream that crosses with the GOAWAY was not read; connect-node does not call that UNAVAILABLE. */
function isRefusal({ code, message }: ConnectError): boolean {
  return code === Code.Unavailable || message.includes("REFUSED_STREAM");
}

/** What connect-node says of a connection that ended before an answer; the last is its own word, not the server's. */
function isCut({ message }: ConnectError): boolean {
  return /ECONNRESET|EPIPE|socket hang up|error code CANCEL/.test(message);
}

for (const lane of closingLanes) {
  test(`calls all through a drain succeed or can be tried again (${lane.name})`, async (t) => {
    const app = await startApp(t, { tls: lane.tls, env: { DRAIN_TIMEOUT_MS: "20000" } });
    const { chat } = connectLane(app, lane);
    const { sessionId } = await chat.createSession({ modelId: "scripted:80x5" });
    const running = openStreamChat(chat, { sessionId, message: "one" });
    await running.firstOf(CHUNK);
    const { engine } = app.app;
    const isOver = () => engine.isDraining() && engine.runningTurns() === 0;
    const message = { message: "Hi", modelId: "scripted:2x1" };
    const calls = [
      () => chat.sendMessage(message),
      () => chat.getSessionInfo({ sessionId }),
      async () => {
        const error = await openStreamChat(chat, message).ended;
        if (error) throw error;
      },
    ];
    for (const call of calls) await call();
    const loops = calls.map((call) => callThroughout(call, isOver));
    await running.first(({ chunkNumber }) => chunkNumber === 10);
    const closing = app.close();
    await Promise.all(loops);
    assert.equal(await running.ended, undefined);
    assert.equal(running.events.at(-1)?.finishReason, STOP);
    await closing;
  });
}

test("over HTTP/1.1 a draining server closes the connection after its answer", async (t) => {
  const app = await startApp(t, patient);
  const { chat } = connectLane(app, binaryLanes[0] ?? assert.fail());
  const { sessionId } = await chat.createSession({ modelId: "scripted:9x1!hang@1" });
  const running = openStreamChat(chat, { sessionId, message: "one" });
  await running.firstOf(CHUNK);
  const closing = app.close();
  await running.update("draining");
  const answer = await httpRequest(app, {
    path: "/chat.ChatService/GetSessionInfo",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sessionId }),
  });
  assert.deepEqual([answer.status, answer.headers.connection], [200, "close"]);
  assert.equal((await httpRequest(app, { path: "/readyz" })).status, 503);
  running.abort();
  await closing;
});
