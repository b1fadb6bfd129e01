import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatResponse_Type } from "../../src/gen/chat/chat_pb.ts";
import { startApp } from "../support/app.ts";
import { type ReceivedSpan, useFakeCollector } from "../support/fake-collector.ts";
import { textChunk, useFakeGeminiServer } from "../support/fake-gemini-server.ts";
import { connectLane, plainLanes } from "../support/lanes.ts";
import { openStreamChat } from "../support/stream-call.ts";

const modelId = "gemini-3.8-flash";
const traceId = "0af7651916cd43dd8448eb211c80319c";
const callerSpanId = "b7ad6b7169203331";
const headers = { traceparent: `00-${traceId}-${callerSpanId}-01` };
const chunks = 20;

/** Kinds of spans (OTLP): a call that is served, and a call to another. */
const kinds = { server: 2, client: 3 };

test("one trace has a gRPC call, a Connect call whose turn waits, and both calls of the provider", async (t) => {
  const gemini = await useFakeGeminiServer(t);
  const collector = await useFakeCollector(t);
  const app = await startApp(t, {
    env: {
      GEMINI_API_KEY: gemini.apiKey,
      GEMINI_BASE_URL: gemini.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    },
  });
  const { promise: asked, resolve: answer } = Promise.withResolvers<void>();
  gemini.enqueue(async ({ open, send, end }) => {
    await open();
    await asked;
    for (let chunk = 1; chunk < chunks; chunk += 1) await send(textChunk("word "));
    await send(textChunk("end", { outputTokens: chunks, finishReason: "STOP" }));
    await end();
  });
  const [grpc, connect] = ["grpc", "connect"].map((protocol) => {
    const lane = plainLanes.find((one) => one.protocol === protocol);
    assert.ok(lane);
    return connectLane(app, lane).chat;
  });
  assert.ok(grpc && connect);
  const first = openStreamChat(grpc, { message: "one", modelId }, { headers });
  const { sessionId } = await first.firstOf(ChatResponse_Type.STATUS);
  const second = openStreamChat(connect, { sessionId, message: "two" }, { headers });
  await second.update("turn_queued");
  answer();
  assert.deepEqual([await first.ended, await second.ended], [undefined, undefined]);
  await app.close();

  const { spans } = collector;
  assert.deepEqual(new Set(spans.map((span) => span.traceId)), new Set([traceId]));
  // Two calls and two turns, whatever the number of chunks and of events.
  assert.equal(spans.length, 4, spans.map(({ name }) => name).join());
  const calls = spans.filter(({ kind }) => kind === kinds.server);
  const turns = spans.filter(({ kind }) => kind === kinds.client);
  assert.deepEqual(systemsOf(calls), new Set(["connectrpc", "grpc"]));
  for (const call of calls) {
    assert.equal(call.parentSpanId, callerSpanId);
    assert.deepEqual(call.events, []);
    const [turn, ...more] = turns.filter((one) => one.parentSpanId === call.spanId);
    assert.ok(turn && more.length === 0, "one turn below each call");
    assert.deepEqual(turn.events, ["chatwire.first_chunk"]);
  }
  const provider = gemini.requests.map((request) => request.headers.traceparent);
  const expected = turns.map(({ spanId }) => `00-${traceId}-${spanId}-01`);
  assert.deepEqual(new Set(provider), new Set(expected));
  assert.equal(provider.length, 2);
});

function systemsOf(calls: readonly ReceivedSpan[]): ReadonlySet<unknown> {
  return new Set(calls.map(({ attributes }) => attributes["rpc.system.name"]));
}
