import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { service as healthDefinition } from "grpc-health-check";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../src/gen/google/rpc/status_pb.ts";
import { startApp, type TestApp, untilMetrics } from "../support/app.ts";
import { testCertificate } from "../support/certificate.ts";
import { connectRaw, streamChatRaw } from "../support/raw-call.ts";

const seed = fileURLToPath(new URL("../fixtures/contract/seed.proto", import.meta.url));

// What proto-loader makes of a contract has no types of its own.
// biome-ignore-start lint/suspicious/noExplicitAny: see above
type Untyped = any;
// biome-ignore-end lint/suspicious/noExplicitAny: see above

function credentialsFor({ tls }: TestApp): grpc.ChannelCredentials {
  if (!tls) return grpc.credentials.createInsecure();
  return grpc.credentials.createSsl(Buffer.from(testCertificate.cert));
}

/** A client made of the original contract alone. */
function connectSeed(app: TestApp): Untyped {
  const loaded = loadSync(seed, { keepCase: true, enums: String, longs: Number, defaults: true });
  const { chat } = grpc.loadPackageDefinition(loaded) as Untyped;
  const client = new chat.ChatService(`localhost:${app.port}`, credentialsFor(app));
  app.defer(() => client.close());
  return client;
}

/** A unary call as a promise. */
function call(client: Untyped, rpc: string, request: object): Promise<Untyped> {
  return new Promise((resolve, reject) => {
    client[rpc](request, (error: Error | null, reply: unknown) =>
      error ? reject(error) : resolve(reply),
    );
  });
}

for (const tls of [false, true]) {
  const over = tls ? "TLS" : "plaintext";

  test(`grpc-js, seed contract: all six RPCs over ${over}`, async (t) => {
    const client = connectSeed(await startApp(t, { tls }));
    const { session_id, model } = await call(client, "CreateSession", { model_id: "scripted:3x1" });
    assert.equal(model, "scripted:3x1");
    const stream = client.Chat();
    const events: Untyped[] = [];
    stream.on("data", (event: Untyped) => events.push(event));
    stream.write({ session_id, message: "Hello" });
    stream.write({ type: "PING" });
    stream.end();
    const [status] = await once(stream, "status");
    assert.equal(status.code, grpc.status.OK);
    assert.deepEqual(status.metadata.get("chat-total-chunks"), ["3"]);
    const text = events.map(({ chunk_text }) => chunk_text).join("");
    assert.equal(text, "w1 w2 w3 ");
    assert.ok(events.some(({ type }) => type === "PONG"));
    assert.equal((await call(client, "GetSessionInfo", { session_id })).message_count, 2);
    assert.equal((await call(client, "ListSessions", {})).sessions[0].session_id, session_id);
    assert.equal((await call(client, "GetServerStats", {})).successful_requests, 1);
    assert.equal((await call(client, "DeleteSession", { session_id })).success, true);
  });

  test(`grpc-js: errors carry google.rpc details over ${over}`, async (t) => {
    const client = connectSeed(await startApp(t, { tls }));
    const error = await call(client, "GetSessionInfo", { session_id: "nowhere" }).catch((e) => e);
    assert.equal(error.code, grpc.status.NOT_FOUND);
    assert.equal(reasonOf(error.metadata), "SESSION_NOT_FOUND");
    const unknown = await new Promise<grpc.ServiceError>((resolve, reject) => {
      const raw = (bytes: Buffer) => bytes;
      const path = "/chat.ChatService/NoSuchMethod";
      client.makeUnaryRequest(path, raw, raw, Buffer.alloc(0), (e: grpc.ServiceError | null) =>
        e ? resolve(e) : reject(new Error("it was served")),
      );
    });
    assert.equal(unknown.code, grpc.status.UNIMPLEMENTED);
    assert.equal(reasonOf(unknown.metadata), "NOT_IMPLEMENTED");
  });

  test(`grpc-js: errors read as they were written over ${over}`, async (t) => {
    const client = connectSeed(await startApp(t, { tls }));
    const model_id = "no:such, /model 100%";
    const refused = await call(client, "CreateSession", { model_id }).catch((e) => e);
    assert.ok(refused.details.includes(model_id), refused.details);
  });

  test(`grpc-js: a cancel reaches the model over ${over}`, async (t) => {
    const app = await startApp(t, { tls });
    const client = connectSeed(app);
    const { session_id } = await call(client, "CreateSession", { model_id: "scripted:1000x60" });
    const stream = client.Chat();
    stream.write({ session_id, message: "Hello" });
    stream.on("data", ({ type }: Untyped) => type === "CHUNK" && stream.cancel());
    const [error] = await once(stream, "error");
    assert.equal(error.code, grpc.status.CANCELLED);
    await untilMetrics(app, (m) => m.get("chatwire_scripted_model_aborts_total") === 1);
  });
}

test("the message of a failure in mid stream is printable as it is", async (t) => {
  const session = await connectRaw(await startApp(t));
  const stream = streamChatRaw(session, { message: "Hi", modelId: "scripted:3x1!unavailable@2" });
  const trailers = once(stream, "trailers");
  stream.resume();
  const [{ "grpc-message": message }] = await trailers;
  assert.equal(message, "the scripted model is unavailable");
});

test("grpc-health-check: the server serves until it drains", async (t) => {
  const app = await startApp(t, { env: { DRAIN_TIMEOUT_MS: "5000" } });
  const Health = grpc.makeClientConstructor(healthDefinition, "grpc.health.v1.Health");
  const health = new Health(`localhost:${app.port}`, credentialsFor(app)) as Untyped;
  app.defer(() => health.close());
  for (const service of ["", "chat.ChatService", "grpc.health.v1.Health"]) {
    assert.equal((await call(health, "check", { service })).status, "SERVING", service);
  }
  const error = await call(health, "check", { service: "no.Such" }).catch((e) => e);
  assert.equal(error.code, grpc.status.NOT_FOUND);

  const watch = health.watch({ service: "chat.ChatService" });
  const [first] = await once(watch, "data");
  const told = once(watch, "data");
  const failed = once(watch, "error");
  const closing = app.close();
  assert.deepEqual([first.status, (await told)[0].status], ["SERVING", "NOT_SERVING"]);
  assert.equal((await failed)[0].code, grpc.status.UNAVAILABLE);
  await closing;
});

function reasonOf(metadata: grpc.Metadata): string | undefined {
  const [details] = metadata.get("grpc-status-details-bin");
  assert.ok(details instanceof Buffer, "no details");
  const [detail] = fromBinary(StatusSchema, details).details;
  const info = detail && anyUnpack(detail, ErrorInfoSchema);
  assert.equal(info?.domain, "chatwire");
  return info.reason;
}
