import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Code, type ConnectError } from "@connectrpc/connect";
import { ChatResponse_Type } from "../../src/gen/chat/chat_pb.ts";
import { type Env, startApp } from "../support/app.ts";
import { binaryLanes, connectLane, type LaneClient } from "../support/lanes.ts";
import { openStreamChat, type StreamCall } from "../support/stream-call.ts";
import { words } from "../support/turn-checks.ts";
import { assertError, replyOf } from "../support/wire.ts";

/** Streams of a second each that the server has room for; as many again are offered beside them. */
const ceiling = 30;
const chunks = 50;
const request = { message: "Hi", modelId: `scripted:${chunks}x20` };

const paceRatioMin = 0.9;
/** A stall of the machine slows one try; a server that sheds too late slows each. */
const triesMax = 3;

type Chat = LaneClient["chat"];

/**
 * Milliseconds in which as many streams as there is room for run, all of them whole. Beside them `offer` is called
 * once with each chunk of the first.
 */
async function runFull(chat: Chat, offer: () => void): Promise<number> {
  const startMs = performance.now();
  const running = Array.from({ length: ceiling }, () => openStreamChat(chat, request));
  const [first] = running;
  assert.ok(first);
  for (const call of running) await call.firstOf(ChatResponse_Type.CHUNK);
  for (let number = 2; number <= ceiling + 1; number += 1) {
    await first.first(({ chunkNumber }) => chunkNumber === number);
    offer();
  }
  for (const call of running) assert.equal(await call.ended, undefined);
  const ms = performance.now() - startMs;
  for (const { events } of running) assert.equal(replyOf(events), words(chunks));
  return ms;
}

async function assertPace(
  t: TestContext,
  env: Env,
  check: (error: ConnectError) => void,
): Promise<void> {
  const [lane] = binaryLanes;
  assert.ok(lane);
  const app = await startApp(t, { env });
  const { chat } = connectLane(app, lane);
  const { chat: others } = connectLane(app, lane);
  // The first time everything is slower.
  await runFull(chat, () => undefined);
  let ratio = 0;
  for (let tries = 1; tries <= triesMax && ratio < paceRatioMin; tries += 1) {
    const aloneMs = await runFull(chat, () => undefined);
    const offered: StreamCall[] = [];
    ratio = aloneMs / (await runFull(chat, () => offered.push(openStreamChat(others, request))));
    t.diagnostic(`pace ${ratio.toFixed(2)} beside ${offered.length} that were refused`);
    assert.equal(offered.length, ceiling);
    for (const call of offered) {
      const error = await call.ended;
      assert.ok(error, "it was served above the ceiling");
      check(error);
    }
  }
  assert.ok(ratio >= paceRatioMin, `pace ${ratio.toFixed(2)}`);
}

test("at twice the turns that it runs, running streams keep their pace", async (t) => {
  await assertPace(t, { RUNNING_TURNS_MAX: String(ceiling) }, (error) => {
    const { retryMs } = assertError(error, Code.ResourceExhausted, "TOO_MANY_TURNS");
    assert.ok(retryMs);
  });
});

test("at twice the streams that it takes, running streams keep their pace", async (t) => {
  // No turn begins above nine tenths of the ceiling.
  const streamsMax = String(Math.floor(ceiling / 0.9));
  await assertPace(t, { STREAMS_MAX: streamsMax }, (error) => {
    const { retryMs } = assertError(error, Code.Unavailable, "SERVER_BUSY");
    assert.ok(retryMs);
  });
});
