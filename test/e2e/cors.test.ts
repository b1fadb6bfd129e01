import assert from "node:assert/strict";
import { test } from "node:test";
import { type HttpAnswer, type HttpRequest, request, startApp } from "../support/app.ts";
import { bearer, startAuthApp } from "../support/auth.ts";
import { bodyOf, rawWires, requestHttp2, sendRaw, unaryWires } from "../support/raw-wires.ts";

const origin = "https://app.example";
const env = { CORS_ORIGINS: origin };

/** What pages send by gRPC-Web and Connect (https://connectrpc.com/docs/cors), and with a key. */
const asked = [
  "authorization",
  "content-type",
  "connect-protocol-version",
  "connect-timeout-ms",
  "grpc-timeout",
  "x-grpc-web",
  "x-user-agent",
];

/** What pages have to be able to read: the status of gRPC-Web, and ours. */
const exposed = [
  "grpc-status",
  "grpc-message",
  "grpc-status-details-bin",
  "chat-session-id",
  "chat-model",
  "chat-heartbeat-ms",
  "retry-after",
  "grpc-retry-pushback-ms",
  "trailer-chat-turns",
  "trailer-chat-total-chunks",
  "trailer-chat-processing-time-ms",
  "trailer-chat-input-tokens",
  "trailer-chat-output-tokens",
  "trailer-chat-finish-reason",
];

const listIn = (header: unknown) => String(header).toLowerCase().split(/, ?/);

function assertReadable({ headers }: Pick<HttpAnswer, "headers">, what: string): void {
  assert.equal(headers["access-control-allow-origin"], origin, what);
  assert.ok(listIn(headers.vary).includes("origin"), `${what}: a cache could mix up origins`);
  const told = listIn(headers["access-control-expose-headers"]);
  for (const name of exposed) assert.ok(told.includes(name), `${what}: ${name}`);
}

const rpc = "/chat.ChatService/SendMessage";

for (const [version, send] of [
  ["HTTP/1.1", request],
  ["h2c", requestHttp2],
] as const) {
  test(`a preflight allows each header of gRPC-Web and Connect, to listed origins alone (${version})`, async (t) => {
    const app = await startAuthApp(t, { env });
    const preflight = (from: string, method: string) => {
      const fields = {
        origin: from,
        "access-control-request-method": method,
        "access-control-request-headers": asked.join(),
      };
      const sent: HttpRequest = { method: "OPTIONS", path: rpc, headers: fields };
      return send(app, sent);
    };
    // A browser sends no credential with it.
    for (const method of ["POST", "GET"]) {
      const { status, headers } = await preflight(origin, method);
      assert.equal(status, 204);
      assert.equal(headers["access-control-allow-origin"], origin);
      assert.ok(listIn(headers["access-control-allow-methods"]).includes(method.toLowerCase()));
      const allowed = listIn(headers["access-control-allow-headers"]);
      for (const name of asked) assert.ok(allowed.includes(name), name);
      assert.equal(headers["cache-control"], "private, no-store");
      for (const stranger of ["https://evil.example", "https://app.example.evil.example", "null"]) {
        const refused = await preflight(stranger, method);
        assert.equal(refused.headers["access-control-allow-origin"], undefined, stranger);
      }
    }
  });
}

for (const wire of rawWires.filter(({ protocol }) => protocol !== "grpc")) {
  test(`a page can read an answer whatever it says (${wire.name})`, async (t) => {
    const app = await startAuthApp(t, { env });
    const name = unaryWires.includes(wire) ? "SendMessage" : "StreamChat";
    const good = Buffer.from(wire.json ? '{"message":"Hi"}' : [0x1a, 2, 0x48, 0x69]);
    const own = { ...bearer(app.alice), origin };
    const send = (path: string, headers: Record<string, string>, message = good) =>
      sendRaw(app, wire, {
        path: `/chat.ChatService/${path}`,
        headers,
        body: bodyOf(wire, message),
      });
    assertReadable(await send(name, own), "a reply");
    assertReadable(await send(name, { origin }), "no credential");
    assertReadable(await send(name, own, Buffer.from([0xff])), "no message");
    assertReadable(await send("NoSuchRpc", own), "no RPC");
    const stranger = await send(name, { ...own, origin: "https://evil.example" });
    assert.equal(stranger.headers["access-control-allow-origin"], undefined);
  });
}

test("without CORS_ORIGINS no answer names an origin", async (t) => {
  const app = await startApp(t);
  for (const method of ["OPTIONS", "POST"]) {
    const headers = { origin: app.url, "content-type": "application/json" };
    const answer = await request(app, { method, path: rpc, headers, body: '{"message":"Hi"}' });
    const named = Object.keys(answer.headers).filter((one) => one.startsWith("access-control-"));
    assert.deepEqual(named, []);
  }
});
