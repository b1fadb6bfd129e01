import assert from "node:assert/strict";
import http2 from "node:http2";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { StatusSchema } from "../../src/gen/google/rpc/status_pb.ts";
import { callJson, type HttpAnswer, request, startApp, type TestApp } from "../support/app.ts";
import { lanes, overLanes } from "../support/lanes.ts";
import { assertError, failureOf } from "../support/wire.ts";

const rpc = "/chat.ChatService/ListSessions";

/** What each protocol says of a refusal: its HTTP status, and the code that its client gets. */
const readers: Record<string, (answer: HttpAnswer) => unknown[]> = {
  "application/json": ({ status, body }) => [status, JSON.parse(body).code],
  "application/proto": ({ status, body }) => [status, JSON.parse(body).code],
  "application/connect+json": ({ status, body }) => [status, JSON.parse(body.slice(5)).error.code],
  "application/grpc-web+proto": ({ status, headers }) => [status, headers["grpc-status"]],
};

const refusals: Record<string, unknown[]> = {
  "application/json": [403, "permission_denied"],
  "application/proto": [403, "permission_denied"],
  "application/connect+json": [200, "permission_denied"],
  "application/grpc-web+proto": [200, String(Code.PermissionDenied)],
};

async function assertRefused(app: TestApp, headers: Record<string, string>): Promise<void> {
  for (const [contentType, read] of Object.entries(readers)) {
    const answer = await request(app, {
      path: rpc,
      headers: { "content-type": contentType, ...headers },
      body: contentType.endsWith("json") ? "{}" : "",
    });
    assert.deepEqual(read(answer), refusals[contentType], contentType);
  }
}

for (const tls of [false, true]) {
  test(`a Host that is not this machine is refused, ${tls ? "TLS" : "plain"}`, async (t) => {
    const app = await startApp(t, { tls });
    await assertRefused(app, { host: "evil.example" });
    await assertRefused(app, { host: `evil.example:${app.port}` });
    const { status } = await request(app, { path: "/metrics", headers: { host: "evil.example" } });
    assert.equal(status, 403);
    for (const host of ["localhost", "127.0.0.1", "[::1]", "app.localhost"]) {
      const { status: allowed } = await callJson(app, "ListSessions", {}, { host });
      assert.equal(allowed, 200, host);
    }
  });

  test(`an Origin that is not the server's is refused, ${tls ? "TLS" : "plain"}`, async (t) => {
    const app = await startApp(t, { tls });
    await assertRefused(app, { origin: "https://evil.example" });
    await assertRefused(app, { origin: "null" });
    const { status } = await callJson(app, "ListSessions", {}, { origin: app.url });
    assert.equal(status, 200);
  });
}

overLanes("a page of another origin is refused by every protocol", lanes, {}, async ({ chat }) => {
  const headers = { origin: "https://evil.example" };
  const error = await failureOf(chat.createSession({}, { headers }));
  assertError(error, Code.PermissionDenied, "ORIGIN_NOT_ALLOWED");
  assert.equal((await chat.listSessions({})).activeSessions, 0);
});

test("gRPC's refusal comes as Trailers-Only with its details", async (t) => {
  const app = await startApp(t);
  const session = http2.connect(app.url);
  app.defer(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": rpc,
    ":authority": "evil.example",
    "content-type": "application/grpc",
    te: "trailers",
  });
  const response = new Promise<Record<string, unknown>>((resolve) => {
    stream.once("response", resolve);
  });
  stream.resume().end(Buffer.alloc(5));
  const { "grpc-status": status, "grpc-status-details-bin": details } = await response;
  assert.equal(Number(status), Code.PermissionDenied);
  const { code } = fromBinary(StatusSchema, Buffer.from(String(details), "base64"));
  assert.equal(code, Code.PermissionDenied);
});

test("ALLOWED_HOSTS adds names", async (t) => {
  const app = await startApp(t, { env: { ALLOWED_HOSTS: "chat.example" } });
  const ask = async (host: string) => (await callJson(app, "Health", {}, { host })).status;
  assert.deepEqual(
    [await ask("chat.example"), await ask(`chat.example:${app.port}`), await ask("evil.example")],
    [200, 200, 403],
  );
});

test("CORS_ORIGINS lets pages in, with our headers and trailers exposed", async (t) => {
  const origin = "https://app.example";
  const app = await startApp(t, { env: { CORS_ORIGINS: origin } });
  const preflight = (from: string) =>
    request(app, {
      method: "OPTIONS",
      path: rpc,
      headers: {
        origin: from,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,connect-protocol-version",
      },
    });
  const { status, headers } = await preflight(origin);
  assert.equal(status, 204);
  assert.equal(headers["access-control-allow-origin"], origin);
  assert.match(String(headers["access-control-allow-methods"]), /POST/);
  assert.match(String(headers["access-control-allow-headers"]), /connect-protocol-version/i);

  const call = await callJson(app, "ListSessions", {}, { origin });
  assert.equal(call.status, 200);
  assert.equal(call.headers["access-control-allow-origin"], origin);
  const exposed = String(call.headers["access-control-expose-headers"]).toLowerCase().split(/, ?/);
  for (const name of ["grpc-status", "chat-session-id", "trailer-chat-turns"]) {
    assert.ok(exposed.includes(name), name);
  }
  const refused = await preflight("https://evil.example");
  assert.notEqual(refused.headers["access-control-allow-origin"], "https://evil.example");
  const other = await callJson(app, "ListSessions", {}, { origin: "https://evil.example" });
  assert.equal(other.status, 403);
});
