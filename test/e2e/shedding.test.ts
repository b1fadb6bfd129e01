import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Code, type ConnectError } from "@connectrpc/connect";
import { ChatRequest_Type, ChatResponse_Type, FinishReason } from "../../src/gen/chat/chat_pb.ts";
import { startApp } from "../support/app.ts";
import {
  bidiLanes,
  binaryLanes,
  connectLane,
  type Lane,
  type LaneClient,
} from "../support/lanes.ts";
import { until } from "../support/listener.ts";
import { openChat, openStreamChat, openWatch, type StreamCall } from "../support/stream-call.ts";
import { words } from "../support/turn-checks.ts";
import {
  assertError,
  collect,
  collectFailing,
  failureOf,
  replyOf,
  theOnly,
} from "../support/wire.ts";

type Chat = LaneClient["chat"];

const { CHUNK, RESPONSE_COMPLETE, ERROR, PONG } = ChatResponse_Type;
const { CANCEL, PING } = ChatRequest_Type;

const modelId = "scripted:say";
const stuck = "scripted:9x1!hang@1";
const streamsMax = 10;
/** Above nine tenths of STREAMS_MAX, the stream that asks included, no turn begins. */
const turnsUpTo = 9;

function assertBusy(error: ConnectError | undefined): void {
  assert.ok(error, "it was served");
  const { retryMs } = assertError(error, Code.Unavailable, "SERVER_BUSY");
  assert.ok(retryMs && retryMs > 0);
  assert.ok(Number(error.metadata.get("grpc-retry-pushback-ms")) > 0);
  assert.ok(Number(error.metadata.get("retry-after")) > 0);
}

async function refusalOf(stream: AsyncIterable<unknown>): Promise<ConnectError> {
  return (await collectFailing(stream)).error;
}

/** Streams that read a session, so many. */
async function openWatches(chat: Chat, sessionId: string, count: number): Promise<StreamCall[]> {
  const watches = Array.from({ length: count }, () => openWatch(chat, { sessionId }));
  for (const watch of watches) await watch.update("live");
  return watches;
}

/** A server with a turn that runs, another that has ended, and `streams` open streams in all. */
async function startLoaded(t: TestContext, lane: Lane, streams: number) {
  const app = await startApp(t, { env: { STREAMS_MAX: String(streamsMax) } });
  const { chat } = connectLane(app, lane);
  const { sessionId } = await chat.createSession({ modelId: stuck });
  const done = { message: "done", modelId, requestId: "done" };
  const { turnId } = await chat.sendMessage(done);
  const running = { sessionId, message: "running", requestId: "running" };
  const turn = openStreamChat(chat, running);
  await turn.firstOf(CHUNK);
  const watches = await openWatches(chat, sessionId, streams - 1);
  return { app, chat, sessionId, done: { ...done, turnId }, running, turn, watches };
}

for (const lane of binaryLanes) {
  test(`near the ceiling of streams no turn begins, and all else goes on (${lane.name})`, async (t) => {
    const loaded = await startLoaded(t, lane, turnsUpTo);
    const { chat, sessionId, done, turn, watches } = loaded;
    const request = { message: "Hi", modelId, requestId: "new" };
    assertBusy(await failureOf(chat.sendMessage(request)));
    assertBusy(await refusalOf(chat.streamChat(request)));
    assert.equal((await chat.sendMessage(done)).turnId, done.turnId, "a re-send");
    const [watch] = await openWatches(chat, sessionId, 1);

    for (const one of [...watches, watch]) one?.abort();
    // The server learns in its own time that they are gone; the request_id is as good as new.
    await until(() =>
      chat.sendMessage({ ...request, message: "Another" }).then(
        ({ text }) => text === "Another",
        () => false,
      ),
    );
    await chat.cancelTurn({ sessionId });
    assert.equal(await turn.ended, undefined);
  });

  test(`at the ceiling no stream begins but resumes, and cancels are served (${lane.name})`, async (t) => {
    const loaded = await startLoaded(t, lane, streamsMax);
    const { chat, sessionId, done, running, turn, watches } = loaded;
    assertBusy(await refusalOf(chat.watchSession({ sessionId })));
    assertBusy(await refusalOf(chat.watchSession({ sessionList: true })));
    assertBusy(await failureOf(chat.sendMessage({ message: "Hi", modelId })));

    const resumed = openWatch(chat, { sessionId, afterSequence: 1n });
    await resumed.update("live");
    const joined = openStreamChat(chat, running);
    await joined.firstOf(CHUNK);
    assert.equal(replyOf(await collect(chat.streamChat(done))), "done");
    const { cancelled } = await chat.cancelTurn({ sessionId });
    assert.equal(cancelled, true);
    for (const call of [turn, joined]) {
      assert.equal(await call.ended, undefined);
      const { finishReason } = theOnly(call.events, RESPONSE_COMPLETE);
      assert.equal(finishReason, FinishReason.CANCELLED);
    }
    for (const reader of [resumed, ...watches]) await reader.firstOf(RESPONSE_COMPLETE);
  });
}

for (const lane of bidiLanes.filter(({ tls }) => !tls)) {
  test(`at the ceiling a Chat stream may come to cancel (${lane.name})`, async (t) => {
    const { chat, sessionId, turn } = await startLoaded(t, lane, streamsMax);
    const call = openChat(chat);
    await call.send({ type: CANCEL, sessionId });
    call.halfClose();
    assert.equal(await call.ended, undefined);
    assert.equal(await turn.ended, undefined);
    assert.equal(theOnly(turn.events, RESPONSE_COMPLETE).finishReason, FinishReason.CANCELLED);
  });

  test(`at the ceiling a Chat stream may come to send again (${lane.name})`, async (t) => {
    const { chat, sessionId, running } = await startLoaded(t, lane, streamsMax);
    const call = openChat(chat);
    await call.send(running);
    await call.firstOf(CHUNK);
    // From now on it is a stream like any other.
    await call.send({ message: "new", requestId: "new" });
    const { errorReason, sequence, requestId } = await call.firstOf(ERROR);
    assert.deepEqual([errorReason, sequence, requestId], ["SERVER_BUSY", 0n, "new"]);
    await call.send({ type: PING });
    await call.firstOf(PONG);
    await call.send({ type: CANCEL, sessionId });
    call.halfClose();
    assert.equal(await call.ended, undefined);
  });

  test(`at the ceiling any other Chat stream is refused (${lane.name})`, async (t) => {
    const { chat, sessionId } = await startLoaded(t, lane, streamsMax);
    for (const request of [{ sessionId, message: "new" }, { type: PING }]) {
      const call = openChat(chat);
      await call.send(request);
      assertBusy(await call.ended);
      assert.equal(call.events.length, 0);
    }
    await chat.cancelTurn({ sessionId });
  });
}

/** Offers twice as many streams as run, and has each that ran be whole and each other be refused in words. */
async function offerTwice(
  t: TestContext,
  env: Record<string, string>,
  check: (error: ConnectError) => void,
): Promise<void> {
  const [lane] = binaryLanes;
  assert.ok(lane);
  const app = await startApp(t, { env });
  const { chat } = connectLane(app, lane);
  const request = { message: "Hi", modelId: "scripted:40x5" };
  const open = () => openStreamChat(chat, request);
  const first = Array.from({ length: running }, open);
  for (const call of first) await call.firstOf(CHUNK);
  const more = Array.from({ length: 2 * running }, open);
  for (const call of first) {
    assert.equal(await call.ended, undefined);
    assert.equal(replyOf(call.events), words(40));
  }
  let refused = 0;
  for (const call of more) {
    const error = await call.ended;
    if (error) check(error);
    else assert.equal(replyOf(call.events), words(40));
    if (error) refused += 1;
  }
  assert.ok(refused >= running, `${refused} refused`);
  await chat.sendMessage({ message: "Hi", modelId });
}

const running = 20;

test("at twice the turns that it runs, those that run lose nothing", async (t) => {
  await offerTwice(t, { RUNNING_TURNS_MAX: String(running) }, (error) => {
    const { retryMs } = assertError(error, Code.ResourceExhausted, "TOO_MANY_TURNS");
    assert.ok(retryMs && retryMs > 0);
  });
});

test("at twice the streams that it takes, those that run lose nothing", async (t) => {
  // Streams that are opened at once are counted together, also those that are refused then.
  await offerTwice(t, { STREAMS_MAX: String(running + 5) }, assertBusy);
});
