import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ChatResponse_Type } from "../../src/gen/chat/chat_pb.ts";
import { startApp, untilMetrics } from "../support/app.ts";
import {
  type FakeCollector,
  type ReceivedSpan,
  useFakeCollector,
} from "../support/fake-collector.ts";
import {
  type FakeGeminiServer,
  type GeminiRequest,
  textChunk,
  useFakeGeminiServer,
} from "../support/fake-gemini-server.ts";
import { connectLane, type Lane, lanes } from "../support/lanes.ts";
import { openStreamChat } from "../support/stream-call.ts";

const model = "gemini-3.8-flash";
const marker = "xyzzy-marker";

/** Two callers' traces, each with the span that called us. */
const callers = ["a", "b"].map((digit) => {
  const traceId = `0af7651916cd43dd8448eb211c8031${digit}${digit}`;
  const spanId = `b7ad6b716920333${digit}`;
  return { traceId, spanId, header: { traceparent: `00-${traceId}-${spanId}-01` } };
});

function laneOf(protocol: Lane["protocol"], httpVersion: Lane["httpVersion"]): Lane {
  const lane = lanes.find((one) => one.protocol === protocol && one.httpVersion === httpVersion);
  assert.ok(lane);
  return lane;
}

async function start(t: TestContext, env: Record<string, string> = {}) {
  const gemini = await useFakeGeminiServer(t);
  const collector = await useFakeCollector(t);
  const app = await startApp(t, {
    env: {
      GEMINI_API_KEY: gemini.apiKey,
      GEMINI_BASE_URL: gemini.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      ...env,
    },
  });
  return { app, gemini, collector };
}

/** A scenario that answers when it is told to. */
function answerLater(gemini: FakeGeminiServer): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  gemini.enqueue(async ({ open, send, end }) => {
    await open();
    await promise;
    await send(textChunk(`${marker} one `));
    await send(textChunk("two ", { outputTokens: 2 }));
    await send(textChunk("three", { outputTokens: 3, finishReason: "STOP" }));
    await end();
  });
  return resolve;
}

test("a trace goes from the caller over gRPC, Connect, the queue and the provider's call", async (t) => {
  const { app, gemini, collector } = await start(t);
  const [first, second] = callers;
  assert.ok(first && second);
  const answer = answerLater(gemini);
  const native = connectLane(app, laneOf("grpc", "2"));
  const overConnect = connectLane(app, laneOf("connect", "1.1"));

  const message = `${marker} question`;
  const running = openStreamChat(
    native.chat,
    { message, modelId: model },
    { headers: first.header },
  );
  const { sessionId } = await running.firstOf(ChatResponse_Type.STATUS);
  const queued = openStreamChat(
    overConnect.chat,
    { sessionId, message: "second question" },
    { headers: second.header },
  );
  await queued.update("turn_queued");
  answer();
  assert.equal(await running.ended, undefined);
  assert.equal(await queued.ended, undefined);
  await app.close();

  assertTrace(collector, gemini.requests[0], first, { system: "grpc", status: "OK" });
  assertTrace(collector, gemini.requests[1], second, { system: "connectrpc", status: "ok" });
  const { attributes: told } = spanOf(collector, first.traceId, 3);
  assert.equal(told["gen_ai.operation.name"], "chat");
  assert.equal(told["gen_ai.provider.name"], "gcp.gemini");
  assert.equal(told["gen_ai.request.model"], model);
  assert.equal(told["gen_ai.conversation.id"], sessionId);
  assert.equal(told["gen_ai.usage.input_tokens"], 7);
  assert.equal(told["gen_ai.usage.output_tokens"], 3);
  assert.deepEqual(told["gen_ai.response.finish_reasons"], ["stop"]);
  assert.equal(told["chatwire.turn.chunks"], 3);
  assert.ok(!collector.text().includes(marker), "a span has what somebody said");
});

/** One span for the call below the caller's, one for the turn below that, and that one at the provider. */
function assertTrace(
  collector: FakeCollector,
  request: GeminiRequest | undefined,
  caller: { traceId: string; spanId: string },
  { system, status }: { system: string; status: string },
): void {
  const call = spanOf(collector, caller.traceId, 2);
  assert.equal(call.name, "chat.ChatService/StreamChat");
  assert.equal(call.parentSpanId, caller.spanId);
  assert.equal(call.attributes["rpc.system.name"], system);
  assert.equal(call.attributes["rpc.response.status_code"], status);
  const turn = spanOf(collector, caller.traceId, 3);
  assert.equal(turn.name, `chat ${model}`);
  assert.equal(turn.parentSpanId, call.spanId);
  assert.deepEqual(turn.events, ["chatwire.first_chunk"]);
  assert.equal(call.attributes["chatwire.turn.id"], turn.attributes["chatwire.turn.id"]);
  assert.equal(request?.headers.traceparent, `00-${caller.traceId}-${turn.spanId}-01`);
}

/** The only span of that kind in the trace. */
function spanOf({ spans }: FakeCollector, traceId: string, kind: number): ReceivedSpan {
  const found = spans.filter((span) => span.traceId === traceId && span.kind === kind);
  const [span] = found;
  assert.ok(span, "no such span");
  assert.equal(found.length, 1);
  return span;
}

test("a turn that waits keeps its trace across a restart", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "chatwire-traces-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const env = { DATABASE_URL: `sqlite:${join(folder, "chatwire.db")}` };
  const before = await start(t, env);
  const [caller] = callers;
  assert.ok(caller);
  const { chat } = connectLane(before.app, laneOf("grpc-web", "1.1"));
  const running = openStreamChat(chat, { message: "hi", modelId: "scripted:2x1!hang@1" });
  const { sessionId } = await running.firstOf(ChatResponse_Type.CHUNK);
  const asked = { sessionId, message: "next", modelId: model };
  const waiting = openStreamChat(chat, asked, { headers: caller.header });
  await waiting.update("turn_queued");
  await before.app.close();
  await Promise.all([running.ended, waiting.ended]);

  const after = await start(t, env);
  const request = await after.gemini.arrived(0);
  await untilMetrics(after.app, (metrics) => metrics.get("chatwire_turns_running") === 0);
  await after.app.close();
  const turn = spanOf(after.collector, caller.traceId, 3);
  const call = spanOf(before.collector, caller.traceId, 2);
  assert.equal(turn.parentSpanId, call.spanId);
  assert.equal(request.headers.traceparent, `00-${caller.traceId}-${turn.spanId}-01`);
});

test("with LOG_CONTENT a turn's span has the question and the reply", async (t) => {
  const { app, collector } = await start(t, { LOG_CONTENT: "1" });
  const { chat } = connectLane(app, laneOf("grpc", "2"));
  await chat.sendMessage({ message: marker, modelId: model });
  await app.close();
  const turn = collector.spans.find(({ kind }) => kind === 3);
  const content = [{ type: "text", content: marker }];
  const parsed = (name: string) => JSON.parse(String(turn?.attributes[name]));
  assert.deepEqual(parsed("gen_ai.input.messages"), [{ role: "user", parts: content }]);
  assert.deepEqual(parsed("gen_ai.output.messages"), [{ role: "assistant", parts: content }]);
});

test("a call and a turn that fail are spans that failed, and a caller's mistake is none", async (t) => {
  const { app, collector } = await start(t);
  const { chat } = connectLane(app, laneOf("grpc", "2"));
  await assert.rejects(chat.sendMessage({ message: "hi", modelId: "scripted:5x1!unavailable@2" }));
  await assert.rejects(chat.getSessionInfo({ sessionId: "none" }));
  await app.close();
  const told = collector.spans.map(({ name, status, attributes }) => [
    name,
    status,
    attributes["error.type"],
  ]);
  assert.deepEqual(
    told.toSorted(([one], [other]) => (String(one) < String(other) ? -1 : 1)),
    [
      ["chat scripted:5x1!unavailable@2", 2, "MODEL_UNAVAILABLE"],
      ["chat.ChatService/GetSessionInfo", 0, "not_found"],
      ["chat.ChatService/SendMessage", 2, "unavailable"],
    ],
  );
});

test("without a collector's address the caller's trace still reaches the provider", async (t) => {
  const { app, gemini } = await start(t, { OTEL_EXPORTER_OTLP_ENDPOINT: "" });
  const [caller] = callers;
  assert.ok(caller);
  const { chat } = connectLane(app, laneOf("grpc-web", "1.1"));
  await chat.sendMessage({ message: "hi", modelId: model }, { headers: caller.header });
  await chat.sendMessage({ message: "hi", modelId: model });
  const sent = gemini.requests.map(({ headers }) => headers.traceparent);
  assert.deepEqual(sent, [caller.header.traceparent, undefined]);
});

test("a collector that is not there keeps no call and no end of the server waiting", async (t) => {
  const { app, collector } = await start(t);
  const held = collector.hold();
  const { chat } = connectLane(app, laneOf("grpc", "2"));
  const { text } = await chat.sendMessage({ message: "hi", modelId: "scripted:2x1" });
  assert.equal(text, "w1 w2 ");
  await app.close();
  const response = await held;
  assert.equal(response.writableEnded, false);
  assert.equal(response.closed, false, "the exporter has given up before the server did");
});
