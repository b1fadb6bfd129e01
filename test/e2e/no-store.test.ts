import assert from "node:assert/strict";
import { test } from "node:test";
import { type HttpRequest, request, startApp } from "../support/app.ts";
import { bearer, startAuthApp } from "../support/auth.ts";
import { connectTcp, readAll, until } from "../support/listener.ts";
import { requestHttp2 } from "../support/raw-wires.ts";

const wanted = "private, no-store";
const rpc = "/chat.ChatService/ListModels";

const asked: readonly (HttpRequest & { status: number })[] = [
  { path: "/", headers: { accept: "text/html" }, status: 200 },
  { path: "/", method: "HEAD", status: 200 },
  { path: `${rpc}?connect=v1&encoding=json&message=%7B%7D`, method: "HEAD", status: 405 },
  { path: rpc, method: "OPTIONS", status: 405 },
  { path: "/healthz", method: "POST", status: 404 },
  { path: `${rpc}?connect=v1&encoding=json&message=%7B`, status: 400 },
];

for (const send of [request, requestHttp2]) {
  const version = send === request ? "HTTP/1.1" : "h2c";
  test(`nothing of ours is kept by a cache (${version})`, async (t) => {
    const app = await startApp(t);
    for (const { status, ...one } of asked) {
      const answer = await send(app, { method: "GET", ...one });
      assert.equal(answer.headers["cache-control"], wanted, `${one.method} ${one.path}`);
      assert.equal(answer.status, status, `${one.method} ${one.path}`);
    }
  });

  test(`what a caller by GET may see, and that nobody may, is kept by no cache (${version})`, async (t) => {
    const app = await startAuthApp(t);
    const path = "/chat.ChatService/ListSessions?connect=v1&encoding=json&message=%7B%7D";
    for (const [headers, status] of [
      [bearer(app.alice), 200],
      [{}, 401],
      [bearer(app.operator), 403],
    ] as const) {
      const answer = await send(app, { method: "GET", path, headers });
      assert.deepEqual([answer.status, answer.headers["cache-control"]], [status, wanted]);
    }
    assert.equal((await send(app, { method: "GET", path: "/metrics" })).status, 401);
  });
}

const head = "Host: localhost\r\nContent-Type: application/json\r\n";

/** Requests that never get as far as a route. */
const refused: Readonly<Record<string, [request: string, status: number]>> = {
  "no HTTP": ["\u0000\u0001 what\r\n\r\n", 400],
  "HTTP/1.1 without a host": ["GET / HTTP/1.1\r\n\r\n", 400],
  "two hosts": [`GET / HTTP/1.1\r\n${head}Host: other\r\n\r\n`, 400],
  "two lengths": [
    `POST ${rpc} HTTP/1.1\r\n${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}`,
    400,
  ],
  "a coding that is not known": [
    `POST ${rpc} HTTP/1.1\r\n${head}Transfer-Encoding: xchunked\r\n\r\n`,
    501,
  ],
  "an expectation that nobody meets": [`GET / HTTP/1.1\r\n${head}Expect: tea\r\n\r\n`, 417],
  "another version": [`GET / HTTP/2.0\r\n${head}\r\n`, 505],
  "a long header": [`GET / HTTP/1.1\r\n${head}a: ${"b".repeat(20_000)}\r\n\r\n`, 431],
  "a long chunk extension": [
    `POST ${rpc} HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n2;${"a".repeat(20_000)}\r\n{}\r\n0\r\n\r\n`,
    413,
  ],
  "a body that never comes": [`POST ${rpc} HTTP/1.1\r\n${head}Content-Length: 9\r\n\r\n{`, 408],
  "headers that never end": [`GET / HTTP/1.1\r\n${head}`, 408],
};

const impatient = {
  sniffTimeoutMs: 200,
  headersTimeoutMs: 200,
  requestTimeoutMs: 300,
  checkIntervalMs: 50,
};

for (const [name, [bytes, status]] of Object.entries(refused)) {
  test(`a refusal before any route is kept by no cache, and said in words: ${name}`, async (t) => {
    const app = await startApp(t, { overrides: { listenerTimeouts: impatient } });
    const socket = await connectTcp(t, app.port);
    const answer = readAll(socket);
    socket.write(bytes);
    const [fields = "", body] = (await answer).split("\r\n\r\n");
    assert.match(fields, new RegExp(`^HTTP/1\\.1 ${status} `));
    assert.match(fields, /^cache-control: private, no-store\r?$/im);
    assert.match(fields, /^connection: close\r?$/im);
    assert.match(body ?? "", /^[\w ,.:/;-]+\n$/);
  });
}

test("plaintext on a TLS port is refused with the same header", async (t) => {
  const app = await startApp(t, { tls: true });
  const socket = await connectTcp(t, app.port);
  const answer = readAll(socket);
  socket.write(`GET / HTTP/1.1\r\n${head}\r\n`);
  assert.match(await answer, /^HTTP\/1\.1 400 [\s\S]*^cache-control: private, no-store\r$/im);
  await until(() => app.app.connections().sockets === 0);
});
