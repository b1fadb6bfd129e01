import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Code, ConnectError } from "@connectrpc/connect";
import { createNodeChatClient } from "../../../src/client/node.ts";
import {
  ChatRequest_Type,
  ChatResponse_Type,
  FinishReason,
} from "../../../src/gen/chat/chat_pb.ts";
import { ErrorInfoSchema } from "../../../src/gen/google/rpc/error_details_pb.ts";
import { callJson, openCalls, startApp, type TestApp, untilMetrics } from "../../support/app.ts";
import { testCertificate } from "../../support/certificate.ts";
import { connectLane, type Lane, lanes } from "../../support/lanes.ts";
import { createModel, createTestProvider, finish, textPart } from "../../support/models.ts";
import { requireProgram, runProgram } from "../../support/programs.ts";
import { pythonMissing, startPythonClient } from "../../support/python-client.ts";
import type { ReverseProxy, ReverseProxyKind } from "../../support/reverse-proxy.ts";
import { openChat, openStreamChat, openWatch, type StreamCall } from "../../support/stream-call.ts";
import { startRelay } from "../../support/tcp-relay.ts";
import { assertGapless, modelAborts, modelCalls, words } from "../../support/turn-checks.ts";
import { assertError, collect, failureOf, replyOf } from "../../support/wire.ts";

const { CHUNK, HEARTBEAT, PONG } = ChatResponse_Type;

/** As docs/operate.md says for a server behind a proxy that speaks HTTP. */
const env = { TRUST_STREAM_RESET: "0", ALLOWED_HOSTS: "chat.example.org" };

/** The proxies speak TLS. */
const proxiedLanes = lanes.filter(({ tls }) => tls);
const bidiLanes = proxiedLanes.filter(
  ({ protocol, httpVersion }) => httpVersion === "2" && protocol !== "grpc-web",
);
const grpcLane = proxiedLanes.find(({ protocol }) => protocol === "grpc") as Lane;

const certificate = fileURLToPath(new URL("../../fixtures/tls/cert.pem", import.meta.url));
const curlMissing = requireProgram("curl", ["--version"]);

/** What has to hold behind any reverse proxy that docs/operate.md has a configuration for. */
export function testBehindProxy(kind: ReverseProxyKind): void {
  const { missing: skip } = kind;
  const behind = (behaviour: string, check: (t: TestContext) => Promise<void>) =>
    void test(`behind ${kind.name} ${behaviour}`, { skip, timeout: 30_000 }, check);

  behind("every protocol has its replies, trailers and error details", async (t) => {
    const app = await startApp(t, { env });
    const proxy = await kind.start(t, app);
    await Promise.all(proxiedLanes.map((lane) => checkProtocol(proxy, lane)));
  });

  behind("the largest messages pass both ways", async (t) => {
    const proxy = await kind.start(t, await startApp(t, { env }));
    const message = "x".repeat(1_048_576);
    const chosen = proxiedLanes.filter(({ json, protocol }) => json || protocol === "grpc");
    for (const lane of chosen) {
      const { chat } = connectLane(proxy, lane);
      const { text } = await chat.sendMessage({ message, modelId: "scripted:echo" });
      assert.ok(text.length > message.length, lane.name);
    }
  });

  behind("each chunk arrives before the next is made", async (t) => {
    const stepped = createSteppedModel();
    const overrides = { providers: [createTestProvider(createModel(stepped.generate))] };
    const proxy = await kind.start(t, await startApp(t, { env, overrides }));
    for (const lane of proxiedLanes) await stepped.walk(proxy, lane);
  });

  behind("each message of Chat is answered before the next is sent", async (t) => {
    const proxy = await kind.start(t, await startApp(t, { env }));
    for (const lane of bidiLanes) {
      const call = openChat(connectLane(proxy, lane).chat);
      for (let count = 1; count <= 3; count += 1) {
        await call.send({ type: ChatRequest_Type.PING });
        await call.first(() => call.events.filter(({ type }) => type === PONG).length === count);
      }
      call.halfClose();
      assert.equal(await call.ended, undefined, lane.name);
    }
  });

  behind("heartbeats keep a silent stream", async (t) => {
    const app = await startApp(t, { env: { ...env, HEARTBEAT_MS: "50" } });
    const proxy = await kind.start(t, app, { idleTimeoutMs: 1_000 });
    const silent = proxiedLanes.map((lane) => staySilent(proxy, lane));
    const silentChats = bidiLanes.map((lane) => staySilentOnChat(proxy, lane));
    await Promise.all([...silent, ...silentChats]);
  });

  behind("a stream whose heartbeats are too rare is cut, and its turn is not", async (t) => {
    const app = await startApp(t, { env: { ...env, HEARTBEAT_MS: "60000" } });
    const proxy = await kind.start(t, app, { idleTimeoutMs: 200 });
    const { chat } = connectLane(proxy, grpcLane);
    const { sessionId } = await chat.createSession({ modelId: "scripted:3x1!hang@1" });
    const call = openStreamChat(chat, { sessionId, message: "Hi" });
    assert.ok(await call.ended);
    assert.equal(call.events.at(-1)?.type, CHUNK);
    assert.equal(app.app.engine.runningTurns(), 1);
    assert.equal((await chat.cancelTurn({ sessionId })).cancelled, true);
  });

  behind("neither a reset nor a lost connection cancels a turn", async (t) => {
    const app = await startApp(t, { env });
    const proxy = await kind.start(t, app);
    for (const departure of ["reset", "lost connection"] as const) {
      const sessionId = await departFrom(app, proxy, departure);
      assert.equal(app.app.engine.runningTurns(), 1, departure);
      const { chat } = connectLane(proxy, grpcLane);
      assert.equal((await chat.cancelTurn({ sessionId })).cancelled, true);
    }
    assert.equal((await app.metrics()).get(modelAborts), 2);
  });

  behind("a client goes on after the proxy was started again", async (t) => {
    const app = await startApp(t, { env });
    const proxy = await kind.start(t, app);
    const retry = { delayMs: 5, delayMsMax: 50 };
    const tls = { ca: testCertificate.cert };
    const client = createNodeChatClient({ baseUrls: [proxy.url], retry, tls });
    app.defer(() => client.close());
    const turn = client.send("Hi", { modelId: "scripted:40x20" });
    const events = [];
    for await (const event of turn.events) {
      events.push(event);
      if (event.chunkNumber === 3) await proxy.restart();
    }
    assert.equal(replyOf(events), words(40));
    assertGapless(events.filter(({ sequence }) => sequence > 0n));
    assert.equal((await app.metrics()).get(modelCalls), 1);
  });

  behind("the server drains in order", async (t) => {
    const app = await startApp(t, { env: { ...env, DRAIN_TIMEOUT_MS: "20000" } });
    const proxy = await kind.start(t, app);
    const calls = await Promise.all(proxiedLanes.map((lane) => openRunning(proxy, lane)));
    const closing = app.close();
    await Promise.all(calls.map(checkDrain));
    await closing;
  });

  behind("only the names in ALLOWED_HOSTS are served, and metrics are not", async (t) => {
    const proxy = await kind.start(t, await startApp(t, { env }));
    const ask = (host: string) => callJson(proxy, "ListModels", {}, { host });
    assert.equal((await ask("chat.example.org")).status, 200);
    const refused = await ask("other.example.org");
    assert.deepEqual([refused.status, refused.json.code], [403, "permission_denied"]);
    for (const path of metricsPaths) {
      const { status, headers, body } = await fetchAnswer(t, proxy, path);
      assert.equal(status, 404, path);
      assert.doesNotMatch(body, /chatwire_/);
      assert.equal(headers.has(ownHeader), false, `${path} has reached chatwire`);
    }
    const health = await fetchAnswer(t, proxy, "/healthz");
    assert.deepEqual([health.status, health.body], [200, "ok\n"]);
    assert.ok(health.headers.has(ownHeader));
  });
}

async function checkProtocol(proxy: ReverseProxy, lane: Lane): Promise<void> {
  const { chat } = connectLane(proxy, lane);
  let headers = new Headers();
  let trailers = new Headers();
  const onHeader = (received: Headers) => {
    headers = received;
  };
  const onTrailer = (received: Headers) => {
    trailers = received;
  };
  const request = { message: "Hi", modelId: "scripted:5x1" };
  const events = await collect(chat.streamChat(request, { onHeader, onTrailer }));
  assert.equal(replyOf(events), words(5), lane.name);
  assert.equal(headers.get("chat-heartbeat-ms"), "15000", lane.name);
  assert.equal(trailers.get("chat-total-chunks"), "5", lane.name);
  const failed = await failureOf(chat.getSessionInfo({ sessionId: "nowhere" }));
  assertError(failed, Code.NotFound, "SESSION_NOT_FOUND");
  const modelId = "scripted:5x1!unavailable@2";
  const stream = openStreamChat(chat, { message: "Hi", modelId });
  const error = await stream.ended;
  assert.ok(error);
  assertError(error, Code.Unavailable, "MODEL_UNAVAILABLE");
  assert.equal(replyOf(stream.events), words(2), lane.name);
}

/** A model that says its next word when its reader has had the one before. */
function createSteppedModel() {
  const count = 5;
  let gates: PromiseWithResolvers<void>[] = [];
  return {
    async *generate() {
      for (const [index, gate] of gates.entries()) {
        yield textPart(`w${index + 1} `);
        await gate.promise;
      }
      yield finish;
    },
    async walk(proxy: ReverseProxy, lane: Lane) {
      gates = Array.from({ length: count }, () => Promise.withResolvers<void>());
      const { chat } = connectLane(proxy, lane);
      const call = openStreamChat(chat, { message: "Hi", modelId: "test" });
      for (const [index, gate] of gates.entries()) {
        await call.first(({ chunkNumber }) => chunkNumber === index + 1);
        gate.resolve();
      }
      assert.equal(await call.ended, undefined, lane.name);
      assert.equal(replyOf(call.events), words(count));
    },
  };
}

/** So many that the silence between two events of the model is longer than the idle timeout. */
const heartbeatsMin = 24;

async function staySilent(proxy: ReverseProxy, lane: Lane): Promise<void> {
  const { chat } = connectLane(proxy, lane);
  const { sessionId } = await chat.createSession({ modelId: "scripted:3x1!hang@1" });
  const call = openStreamChat(chat, { sessionId, message: "Hi" });
  await call.first(() => heartbeatsIn(call) >= heartbeatsMin);
  await chat.cancelTurn({ sessionId });
  assert.equal(await call.ended, undefined, lane.name);
}

/** The same on a Chat whose client says nothing either. */
async function staySilentOnChat(proxy: ReverseProxy, lane: Lane): Promise<void> {
  const { chat } = connectLane(proxy, lane);
  const call = openChat(chat);
  await call.send({ type: ChatRequest_Type.PING });
  await call.first(() => heartbeatsIn(call) >= heartbeatsMin);
  await call.send({ type: ChatRequest_Type.PING });
  await call.first(() => call.events.filter(({ type }) => type === PONG).length === 2);
  call.halfClose();
  assert.equal(await call.ended, undefined, lane.name);
}

function heartbeatsIn({ events }: Pick<StreamCall, "events">): number {
  return events.filter(({ type }) => type === HEARTBEAT).length;
}

/** Starts a turn by a call that then ends so; resolves with the turn's session when the server knows. */
export async function departFrom(
  app: TestApp,
  proxy: ReverseProxy,
  departure: "reset" | "lost connection",
): Promise<string> {
  const relay = await startRelay({ ...app, ...proxy });
  const { chat } = connectLane(relay.app, grpcLane);
  const { sessionId } = await chat.createSession({ modelId: "scripted:3x1!hang@1" });
  const call = openStreamChat(chat, { sessionId, message: "Go on" });
  await call.firstOf(CHUNK);
  if (departure === "reset") call.abort();
  else relay.cut();
  assert.ok(await call.ended);
  await untilMetrics(app, (metrics) => openCalls(metrics) === 0);
  return sessionId;
}

type Running = { proxy: ReverseProxy; lane: Lane; sessionId: string; call: StreamCall };

async function openRunning(proxy: ReverseProxy, lane: Lane): Promise<Running> {
  const { chat } = connectLane(proxy, lane);
  const { sessionId } = await chat.createSession({ modelId: "scripted:9x1!hang@3" });
  const call = openStreamChat(chat, { sessionId, message: "one" });
  await call.first(({ chunkNumber }) => chunkNumber === 3);
  return { proxy, lane, sessionId, call };
}

async function checkDrain({ proxy, lane, sessionId, call }: Running): Promise<void> {
  await call.update("draining");
  // A connection that is made during the drain serves what it has open, and closes.
  const other = () => connectLane(proxy, lane).chat;
  const refused = await failureOf(untilServed(() => other().sendMessage({ message: "two" })));
  assert.ok(assertError(refused, Code.Unavailable, "SERVER_DRAINING").retryMs, lane.name);
  const watch = await untilServed(async () => {
    const opened = openWatch(other(), { sessionId });
    await Promise.race([
      opened.update("live"),
      opened.ended.then((error) => Promise.reject(error)),
    ]);
    return opened;
  });
  const { cancelled } = await untilServed(() => other().cancelTurn({ sessionId }));
  assert.equal(cancelled, true, lane.name);
  assert.equal(await call.ended, undefined, lane.name);
  assert.equal(call.events.at(-1)?.finishReason, FinishReason.CANCELLED);
  assert.ok(await watch.ended, "the watch ended as if all were well");
  assert.equal(watch.recorded().at(-1)?.finishReason, FinishReason.CANCELLED);
}

/**
 * Calls until the answer is the server's own, as clients have to: when a connection closes just as a proxy gives it a
 * call, nginx answers 502 and HAProxy passes the refusal on, both without our details.
 */
async function untilServed<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (ConnectError.from(error).findDetails(ErrorInfoSchema).length > 0) throw error;
    }
  }
}

/** One path, as it may be written. */
const metricsPaths = [
  "/metrics",
  "/metrics?name=x",
  "/%6detrics",
  "/%6Detric%73",
  "/%6d%65%74%72%69%63%73?name=x",
];

/** What every answer of chatwire has, and none that a proxy gives by itself. */
const ownHeader = "x-content-type-options";

async function fetchAnswer(t: TestContext, { url }: ReverseProxy, path: string) {
  const write = ["--silent", "--write-out", "\n%{header_json}\n%{http_code}"];
  const { stdout } = await runProgram(t, "curl", [...write, "--cacert", certificate, url + path]);
  const [, body = "", json = "{}", status] =
    /^([\s\S]*?)\n(\{[\s\S]*\})\s+(\d+)$/.exec(stdout) ?? [];
  const headers = new Map<string, string[]>(Object.entries(JSON.parse(json)));
  return { status: Number(status), headers, body };
}

/** Programs with HTTP/2 implementations of their own. */
export function testProgramsBehind(kind: ReverseProxyKind): void {
  const curl = { skip: kind.missing || curlMissing };
  test(`curl has a reply behind ${kind.name}, over either HTTP version`, curl, async (t) => {
    const proxy = await kind.start(t, await startApp(t, { env }));
    const url = `${proxy.url}/chat.ChatService/SendMessage`;
    const body = JSON.stringify({ message: "Hi", modelId: "scripted:5x1" });
    const json = ["-H", "content-type: application/json", "-d", body];
    for (const version of ["--http1.1", "--http2"]) {
      const args = ["--silent", "--fail", version, "--cacert", certificate, url, ...json];
      const { code, stdout, stderr } = await runProgram(t, "curl", args);
      assert.equal(code, 0, stderr);
      assert.equal(JSON.parse(stdout).text, words(5));
    }
  });

  const python = { skip: kind.missing || pythonMissing };
  test(`Python has replies and health behind ${kind.name}`, python, async (t) => {
    const app = await startApp(t, { env });
    const proxy = await kind.start(t, app);
    const client = await startPythonClient(t, app, `localhost:${proxy.port}`, certificate);
    assert.deepEqual(await client.ask("Hi"), { text: words(3) });
    assert.deepEqual(await client.ask("stream"), { text: words(3) });
  });
}
