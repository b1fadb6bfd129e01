import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import http2, { type ClientHttp2Session, constants } from "node:http2";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { ChatResponse_Type } from "../../src/gen/chat/chat_pb.ts";
import { startApp } from "../support/app.ts";
import { testCertificate } from "../support/certificate.ts";
import { connectLane, type Lane, lanes } from "../support/lanes.ts";
import { openStreamChat } from "../support/stream-call.ts";
import { words } from "../support/turn-checks.ts";
import { replyOf } from "../support/wire.ts";

/** So short that connections age many times while a test calls. */
const env = { CONNECTION_AGE_MAX_MS: "30" };

/** Of connections, before a test has seen enough of it. */
const agedMin = 8;

const [grpcLane] = lanes as [Lane];
const seed = fileURLToPath(new URL("../fixtures/contract/seed.proto", import.meta.url));

// biome-ignore lint/suspicious/noExplicitAny: what proto-loader makes of a contract has no types of its own
type Untyped = any;

for (const tls of [false, true]) {
  const over = tls ? "TLS" : "plaintext";

  test(`grpc-js clients lose no call while connections age (${over})`, async (t) => {
    const app = await startApp(t, { tls, env });
    const loaded = loadSync(seed, { keepCase: true, enums: String, longs: Number, defaults: true });
    const { chat } = grpc.loadPackageDefinition(loaded) as Untyped;
    const credentials = tls
      ? grpc.credentials.createSsl(Buffer.from(testCertificate.cert))
      : grpc.credentials.createInsecure();
    const client = new chat.ChatService(`localhost:${app.port}`, credentials);
    app.defer(() => client.close());
    const { session_id } = await new Promise<Untyped>((resolve, reject) => {
      client.CreateSession({ model_id: "scripted:2x1" }, (error: Error | null, reply: Untyped) =>
        error ? reject(error) : resolve(reply),
      );
    });
    const connections = countConnections(t);
    while (connections() < agedMin) {
      const stream = client.Chat();
      let text = "";
      stream.on("data", ({ chunk_text = "" }: Untyped) => {
        text += chunk_text;
      });
      // A failed call is seen by its status.
      stream.on("error", () => undefined);
      stream.write({ session_id, message: "Hi" });
      stream.end();
      const [status] = await once(stream, "status");
      assert.equal(status.code, grpc.status.OK, status.details);
      assert.equal(text, words(2));
    }
  });

  test(`a stream outlives its connection's age by far (${over})`, async (t) => {
    const app = await startApp(t, { tls, env });
    const { chat } = connectLane(app, grpcLane);
    const call = openStreamChat(chat, { message: "Hi", modelId: "scripted:60x5" });
    await call.first(({ type }) => type === ChatResponse_Type.CHUNK);
    // While it goes on, calls get a connection that is younger.
    while (app.app.connections().http2Sessions < 2) {
      const error = await chat.health({}).then(() => undefined, String);
      // What crosses with the GOAWAY was not looked at; connect-node leaves the retry to its caller.
      assert.match(error ?? "REFUSED_STREAM", /REFUSED_STREAM/);
    }
    assert.equal(await call.ended, undefined);
    assert.equal(replyOf(call.events), words(60));
  });

  test(`a node:http2 client is told in time, or that its call was not looked at (${over})`, async (t) => {
    const app = await startApp(t, { tls, env });
    let aged = 0;
    let served = 0;
    const connect = (): ClientHttp2Session => {
      const session = http2.connect(app.url, { ca: testCertificate.cert });
      session.on("error", () => undefined);
      session.on("goaway", (code) => {
        assert.equal(code, constants.NGHTTP2_NO_ERROR);
        aged += 1;
      });
      app.defer(() => session.destroy());
      return session;
    };
    let session = connect();
    while (aged < agedMin) {
      if (session.closed || session.destroyed) session = connect();
      const stream = session.request({ ":path": "/healthz" });
      stream.on("error", () => undefined);
      stream.resume();
      let status: number | undefined;
      stream.on("response", (headers) => {
        status = headers[":status"];
      });
      await new Promise((resolve) => stream.once("close", resolve));
      if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) continue;
      assert.deepEqual([status, stream.rstCode], [200, constants.NGHTTP2_NO_ERROR]);
      served += 1;
    }
    assert.ok(served > aged);
  });
}

test("HTTP/1.1 clients that keep connections lose no call while they age", async (t) => {
  const app = await startApp(t, { env });
  const agent = new http.Agent({ keepAlive: true });
  app.defer(() => agent.destroy());
  let closes = 0;
  let kept = 0;
  while (closes < agedMin) {
    const request = http.get({ host: "127.0.0.1", port: app.port, path: "/healthz", agent });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    for await (const _ of response);
    assert.equal(response.statusCode, 200);
    if (response.headers.connection === "close") closes += 1;
    if (request.reusedSocket) kept += 1;
  }
  assert.ok(kept > closes);
});

/** Counts the TCP connections that this process opens from now on. */
function countConnections(t: TestContext): () => number {
  let count = 0;
  const onSocket = () => {
    count += 1;
  };
  subscribe("net.client.socket", onSocket);
  t.after(() => unsubscribe("net.client.socket", onSocket));
  return () => count;
}
