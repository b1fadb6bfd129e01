import assert from "node:assert/strict";
import { syncBuiltinESMExports } from "node:module";
import perfHooks, { type EventLoopMonitorOptions } from "node:perf_hooks";
import { type TestContext, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { ChatResponse_Type } from "../../src/gen/chat/chat_pb.ts";
import { startApp } from "../support/app.ts";
import { connectLane, plainLanes } from "../support/lanes.ts";
import { until } from "../support/listener.ts";
import { openStreamChat, openWatch } from "../support/stream-call.ts";
import { assertError } from "../support/wire.ts";

const modelId = "scripted:say";

/** From now on the event loop is as late as the test says, milliseconds on average, whatever the machine does. */
function fakeDelay(t: TestContext): (meanMs: number) => void {
  const measure = perfHooks.monitorEventLoopDelay;
  let delayMs = 0;
  t.mock.method(perfHooks, "monitorEventLoopDelay", (options: EventLoopMonitorOptions = {}) => {
    const histogram = measure(options);
    const mean = () => (delayMs + (options.resolution ?? 10)) * 1e6;
    Object.defineProperty(histogram, "mean", { get: mean });
    return histogram;
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return (meanMs) => {
    delayMs = meanMs;
  };
}

/** What a call ends with that may be refused. */
async function outcomeOf(call: Promise<unknown>): Promise<"served" | "refused"> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => ConnectError.from(thrown),
  );
  if (!error) return "served";
  const { retryMs } = assertError(error, Code.Unavailable, "SERVER_BUSY");
  assert.ok(retryMs && retryMs > 0);
  return "refused";
}

test("a late event loop refuses turns, a later one streams too, and never a resume or a cancel", async (t) => {
  const setDelay = fakeDelay(t);
  const app = await startApp(t, { env: { EVENT_LOOP_DELAY_SHED_MS: "100" } });
  const { chat } = connectLane(app, plainLanes[0] ?? assert.fail());
  const running = openStreamChat(chat, { message: "Hi", modelId: "scripted:1x0!hang@1" });
  const { sessionId } = await running.firstOf(ChatResponse_Type.CHUNK);
  const send = () => outcomeOf(chat.sendMessage({ message: "Hi", modelId }));
  const watch = async () => {
    const call = openWatch(chat, { sessionId });
    const isOpen = await call.update("watching").then(
      () => true,
      () => false,
    );
    call.abort();
    const error = await call.ended;
    return isOpen ? "served" : outcomeOf(Promise.reject(error ?? assert.fail("it ended well")));
  };
  assert.deepEqual([await send(), await watch()], ["served", "served"]);

  // The loop is judged once a second.
  setDelay(150);
  await until(async () => (await send()) === "refused");
  assert.equal(await watch(), "served");

  setDelay(250);
  await until(async () => (await watch()) === "refused");
  assert.equal(await send(), "refused");
  const resumed = openWatch(chat, { sessionId, afterSequence: 1n });
  await resumed.update("live");
  assert.equal((await chat.cancelTurn({ sessionId })).cancelled, true);
  assert.equal(await running.ended, undefined);
  resumed.abort();
  await resumed.ended;

  setDelay(0);
  await until(async () => (await send()) === "served");
});
