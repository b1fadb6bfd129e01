import assert from "node:assert/strict";
import { once } from "node:events";
import http2, { type ClientHttp2Stream } from "node:http2";
import { type TestContext, test } from "node:test";
import { setImmediate as nextLoop } from "node:timers/promises";
import { queryObjects } from "node:v8";
import { openCalls, startApp, type TestApp, untilMetrics } from "../support/app.ts";
import { until } from "../support/listener.ts";
import { connectRaw, streamChatRaw, whenClosed } from "../support/raw-call.ts";

const callers = 200;

/** As many as keep what waits for one connection within what Node lets it hold (10 MB). */
const connections = 5;

/** STATUS says it back in one write, larger than the window of a stream and the server's buffers. */
const message = "x".repeat(120_000);

/** It begins its reply and then runs until it is cancelled. */
const modelId = "scripted:1x0!hang@1";

for (const tls of [false, true]) {
  test(`${callers} callers blocked on flow control leave nothing, ${tls ? "TLS" : "h2c"}`, async (t) => {
    const app = await startApp(t, { tls });
    // What is made once and kept (pools, caches) is there before the count.
    await blockAndCancel(t, app, 10);
    const before = await countLeft();
    const aborts = await blockAndCancel(t, app, callers);
    assert.equal(aborts, callers);
    const after = await countLeft();

    for (const [what, count] of Object.entries(after)) {
      const grown = count - (before[what as keyof typeof before] ?? 0);
      assert.ok(grown < callers / 10, `${what}: ${grown} more than before`);
    }
  });
}

/** Opens calls that are not read, cancels them once they are blocked, and counts the model's aborts. */
async function blockAndCancel(t: TestContext, app: TestApp, count: number): Promise<number> {
  const aborted = async () =>
    (await app.metrics()).get("chatwire_scripted_model_aborts_total") ?? 0;
  const abortedBefore = await aborted();
  const sessions = await Promise.all(Array.from({ length: connections }, () => connectRaw(app)));
  const streams = Array.from({ length: count / connections }, () =>
    sessions.map((session) => streamChatRaw(session, { message, modelId })),
  ).flat();
  await Promise.all(streams.map((stream) => once(stream, "response")));
  await until(() => app.app.engine.runningTurns() === count);
  await until(() => streams.every(isBlocked));
  assert.equal(app.app.connections().http2Requests, count);

  const sinceMs = performance.now();
  const closed = streams.map(whenClosed);
  for (const stream of streams) stream.close(http2.constants.NGHTTP2_CANCEL);
  await Promise.all(closed);
  await until(() => app.app.engine.runningTurns() === 0);
  t.diagnostic(`${count} turns were over ${(performance.now() - sinceMs).toFixed(0)} ms later`);
  await untilMetrics(app, (metrics) => openCalls(metrics) === 0);
  assert.equal(app.app.connections().http2Requests, 0);
  for (const session of sessions) session.destroy();
  await until(() => app.app.connections().http2Sessions === 0);
  return (await aborted()) - abortedBefore;
}

/** The caller has taken its whole window and given nothing of it back: the server may send no more. */
function isBlocked(stream: ClientHttp2Stream): boolean {
  return stream.state.localWindowSize === 0;
}

/** What a call that is not cleaned up would leave, by numbers in this process. */
async function countLeft() {
  // Ends that are under way get their turns of the event loop.
  for (let turn = 0; turn < 20; turn += 1) await nextLoop();
  const resources = process.getActiveResourcesInfo();
  return {
    timers: resources.filter((resource) => resource === "Timeout").length,
    generators: countObjects(asyncGenerator),
    abortControllers: queryObjects(AbortController, { format: "count" }) as unknown as number,
  };
}

/** Every async generator object inherits from this. */
const asyncGenerator: object = Object.getPrototypeOf(async function* () {}).prototype;

/** Live objects that inherit from the prototype, after a garbage collection. */
function countObjects(prototype: object): number {
  function Inheritor() {}
  Inheritor.prototype = prototype;
  return queryObjects(Inheritor, { format: "count" }) as unknown as number;
}
