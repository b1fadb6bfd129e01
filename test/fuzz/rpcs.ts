import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import fc from "fast-check";
import { ChatService } from "../../src/gen/chat/chat_pb.ts";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection as ReflectionV1 } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionV1Alpha } from "../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { openCalls, startApp, type TestApp, untilMetrics } from "../support/app.ts";
import { binaryLanes, connectLane, type LaneClient } from "../support/lanes.ts";
import { until } from "../support/listener.ts";
import { type RawOutcome, type RawWire, sendRaw } from "../support/raw-wires.ts";
import { openStreamChat } from "../support/stream-call.ts";
import { assertGapless, words } from "../support/turn-checks.ts";
import { replyOf } from "../support/wire.ts";
import { anyCall, type FuzzCall } from "./calls.ts";
import { type Effort, holds } from "./check.ts";
import type { Known } from "./messages.ts";

type Chat = LaneClient["chat"];

const services = [ChatService, Health, ReflectionV1, ReflectionV1Alpha];
const methods: readonly DescMethod[] = services.flatMap((service) => service.methods);

/** Calls that are made at once. */
const callsMax = 6;
/** A call that has not been answered by then hangs: ten times the longest deadline, milliseconds. */
const patienceMs = 10_000;
/** What the server may hold afterwards that it did not before, bytes; a leak of a call is a multiple of it. */
const heapBytesMax = 24 * 2 ** 20;

const env = {
  DISCONNECT_GRACE_MS: "0",
  FIRST_CHUNK_TIMEOUT_MS: "500",
  IDLE_CHUNK_TIMEOUT_MS: "500",
};

/** Every RPC over every protocol with right, nearly right and random bytes, on a server that serves others. */
export function fuzzRpcs(effort: Effort): void {
  holds("every call is answered by a status of its protocol", effort, async (t) => {
    const app = await startApp(t, { env });
    const [lane] = binaryLanes;
    assert.ok(lane);
    const { chat } = connectLane(app, lane);
    const known = await createKnown(chat);
    const calls = fc.array(anyCall(methods, known), { minLength: 1, maxLength: callsMax });
    // The tables that fast-check draws texts from are held from the first on.
    fc.sample(calls, 50);
    await streamOnce(chat);
    const before = await holdingsOf(app);
    const stopBeside = streamBeside(chat);
    // What is logged as an error, INTERNAL among it, fails the test as well (startApp).
    app.defer(async () => {
      await stopBeside();
      await deleteAll(chat);
      await assertReleased(app, before);
    });
    return fc.asyncProperty(calls, async (all) => {
      await Promise.all(all.map((call) => assertAnswered(app, call)));
    });
  });
}

/** Names that mean something on this server; as many of each in every run, so that a seed means the same. */
async function createKnown(chat: Chat): Promise<Known> {
  const first = await chat.createSession({ modelId: "scripted:2x1" });
  const second = await chat.createSession({ modelId: "scripted:say", requestId: "r1" });
  const { sessionId, turnId } = await chat.sendMessage({
    sessionId: first.sessionId,
    message: "Hi",
    requestId: "r2",
  });
  const { messages } = await chat.listMessages({ sessionId });
  const { nextPageToken } = await chat.listMessages({ sessionId, pageSize: 1 });
  const { etag } = await chat.getSessionInfo({ sessionId });
  return {
    session_id: ["", sessionId, second.sessionId],
    turn_id: ["", turnId],
    message_id: ["", ...messages.map((message) => message.messageId)],
    up_to_message_id: ["", ...messages.map((message) => message.messageId)],
    request_id: ["", "r1", "r2", "r3"],
    page_token: ["", nextPageToken],
    etag: ["", etag],
    message: ["Hi", ""],
    model_id: ["", "scripted:2x1", "scripted:9x1!unavailable@1", "scripted:9x1!hang@1", "eliza"],
    update_mask: ["title", "metadata", "generation"],
    service: ["", ChatService.typeName, "other"],
    file_by_filename: ["chat/chat.proto"],
    file_containing_symbol: ["chat.ChatService", "chat.ChatRequest"],
  };
}

async function assertAnswered(app: TestApp, call: FuzzCall): Promise<void> {
  const { method, wire, headers } = call;
  const path = `/${method.parent.typeName}/${method.name}`;
  const what = `${path} by ${wire.name}`;
  const outcome = await within(patienceMs, send(app, call, path), what);
  assertStatus(outcome, wire, `${what} ${JSON.stringify(headers)}`);
}

async function send(app: TestApp, call: FuzzCall, path: string): Promise<RawOutcome> {
  const { wire, body, query, headers } = call;
  if (query === undefined) return sendRaw(app, wire, { path, body, headers });
  return sendRaw(app, wire, { path: `${path}?${query}`, headers });
}

function assertStatus({ http, error }: RawOutcome, { protocol }: RawWire, what: string): void {
  // Only Connect's unary calls tell an error by HTTP.
  if (protocol !== "connect") assert.equal(http, 200, what);
  if (error === undefined) return;
  assert.ok(error.code !== Code.Internal && error.code !== Code.Unknown, `${what}: ${error}`);
  const [info] = error.findDetails(ErrorInfoSchema);
  assert.equal(info?.domain, "chatwire", `${what}: ${error} has no reason`);
}

async function within<T>(ms: number, call: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} hangs`)), ms);
  });
  return Promise.race([call, late]).finally(() => clearTimeout(timer));
}

/** A well-behaved client's stream, whole. */
async function streamOnce(chat: Chat): Promise<void> {
  const call = openStreamChat(chat, { message: "Hi", modelId: "scripted:50x5" });
  assert.equal(await call.ended, undefined);
  assert.equal(replyOf(call.events), words(50));
  assertGapless(call.recorded());
}

/** One after the other until it is stopped; stopping tells of the first that was not whole. */
function streamBeside(chat: Chat): () => Promise<void> {
  let stopped = false;
  const streams = (async () => {
    while (!stopped) await streamOnce(chat);
  })();
  streams.catch(() => undefined);
  return () => {
    stopped = true;
    return streams;
  };
}

/** Until there is none: a turn that runs on may not have ended. */
async function deleteAll(chat: Chat): Promise<void> {
  for (;;) {
    const { sessions } = await chat.listSessions({ pageSize: 200 });
    if (sessions.length === 0) return;
    for (const { sessionId } of sessions) await chat.deleteSession({ sessionId });
  }
}

type Holdings = { sockets: number; heapBytes: number };

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

async function holdingsOf(app: TestApp): Promise<Holdings> {
  await untilMetrics(app, (metrics) => openCalls(metrics) === 0);
  collectGarbage();
  const sockets = process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap");
  return { sockets: sockets.length, heapBytes: process.memoryUsage().heapUsed };
}

async function assertReleased(app: TestApp, before: Holdings): Promise<void> {
  await until(() => app.app.engine.runningTurns() === 0);
  await until(async () => (await holdingsOf(app)).sockets <= before.sockets);
  const { heapBytes } = await holdingsOf(app);
  const more = heapBytes - before.heapBytes;
  assert.ok(more < heapBytesMax, `${more} bytes of the heap are held`);
}
