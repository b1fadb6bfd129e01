import assert from "node:assert/strict";
import { test } from "node:test";
import { type HttpAnswer, type HttpRequest, request, startApp } from "../support/app.ts";
import {
  bodyOf,
  type RawWire,
  rawWires,
  requestHttp2,
  sendRaw,
  streamWires,
  unaryWires,
} from "../support/raw-wires.ts";

type Headers = HttpAnswer["headers"];

function assertEveryAnswers(headers: Headers, what: string): void {
  assert.equal(headers["cache-control"], "private, no-store", what);
  assert.equal(headers["x-content-type-options"], "nosniff", what);
}

const service = "/chat.ChatService";

/** A body that asks for a turn, or for nothing that can be read. */
function messages({ json }: RawWire): { good: Buffer; bad: Buffer } {
  return json
    ? { good: Buffer.from('{"message":"Hi"}'), bad: Buffer.from("{") }
    : { good: Buffer.from([0x1a, 2, 0x48, 0x69]), bad: Buffer.from([0xff]) };
}

for (const wire of rawWires) {
  test(`no answer to a call is cached or guessed at (${wire.name})`, async (t) => {
    const app = await startApp(t);
    const { good, bad } = messages(wire);
    const isUnary = unaryWires.includes(wire);
    for (const [rpc, message] of [
      [isUnary ? "SendMessage" : "StreamChat", good],
      [isUnary ? "SendMessage" : "StreamChat", bad],
      ["NoSuchRpc", good],
    ] as const) {
      const body = bodyOf(wire, message);
      const { headers } = await sendRaw(app, wire, { path: `${service}/${rpc}`, body });
      assertEveryAnswers(headers, `${rpc} ${message.toString()}`);
    }
  });
}

for (const wire of streamWires) {
  test(`proxies are told not to buffer a stream, however it ends (${wire.name})`, async (t) => {
    const app = await startApp(t);
    const { good, bad } = messages(wire);
    for (const message of [good, bad]) {
      const body = bodyOf(wire, message);
      const { headers } = await sendRaw(app, wire, { path: `${service}/StreamChat`, body });
      assert.equal(headers["x-accel-buffering"], "no");
      assertEveryAnswers(headers, String(message));
    }
  });
}

const query = "connect=v1&encoding=json&message=%7B%7D";

const requests: readonly (HttpRequest & { status: number })[] = [
  { path: `${service}/ListModels?${query}`, status: 200 },
  { path: `${service}/SendMessage?${query}`, status: 405 },
  {
    path: `${service}/SendMessage`,
    body: "{}",
    headers: { "content-type": "text/x" },
    status: 415,
  },
  { path: "/nothing", status: 404 },
  { path: "/%zz", status: 404 },
  { path: "/%c0%af/%2e%2e", status: 404 },
  { path: "/", status: 200 },
  { path: "/healthz", status: 200 },
  { path: "/readyz", status: 200 },
  { path: "/metrics", status: 200 },
];

for (const send of [request, requestHttp2]) {
  const version = send === request ? "HTTP/1.1" : "h2c";
  test(`no answer outside calls is cached or guessed at (${version})`, async (t) => {
    const app = await startApp(t);
    for (const { status, ...asked } of requests) {
      const method = asked.body === undefined ? "GET" : "POST";
      const answer = await send(app, { method, ...asked });
      assert.equal(answer.status, status, asked.path);
      assertEveryAnswers(answer.headers, asked.path);
      assert.equal(answer.headers["x-accel-buffering"], undefined, asked.path);
    }
  });

  test(`pages run no inline script and are in nobody's frame (${version})`, async (t) => {
    const app = await startApp(t);
    for (const path of ["/", "/healthz", "/readyz", "/metrics"]) {
      const { headers } = await send(app, { path, method: "GET" });
      const policy = String(headers["content-security-policy"]);
      assert.match(policy, /default-src 'self'/);
      assert.match(policy, /frame-ancestors 'none'/);
      assert.doesNotMatch(policy, /unsafe|\*/);
      assert.equal(headers["referrer-policy"], "no-referrer");
      assert.equal(headers["x-frame-options"], "DENY");
      assert.equal(headers["cross-origin-opener-policy"], "same-origin");
    }
  });
}

test("a refused Host is told so with the same headers", async (t) => {
  const app = await startApp(t);
  const answer = await request(app, { path: "/", headers: { host: "evil.example" } });
  assert.equal(answer.status, 403);
  assertEveryAnswers(answer.headers, "refused");
});
