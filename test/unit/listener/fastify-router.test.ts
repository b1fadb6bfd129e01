import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import Fastify from "fastify";
import type { RequestHandler } from "../../../src/listener/options.ts";
import { testCertificate } from "../../support/certificate.ts";
import {
  connectHttp2,
  connectTls,
  readAll,
  requestHttp2,
  startListener,
} from "../../support/listener.ts";

/** Fastify as the router alone: it never listens, the listener gives it every request. */
async function startRouter(t: TestContext, { tls = false } = {}) {
  const calls: string[] = [];
  const fastify = Fastify({ bodyLimit: 1_000 });
  fastify.addHook("onRequest", async (request) => void calls.push(`onRequest ${request.url}`));
  fastify.addHook("onResponse", async (request) => void calls.push(`onResponse ${request.url}`));
  fastify.addHook("preClose", async () => void calls.push("preClose"));
  fastify.addHook("onClose", async () => void calls.push("onClose"));
  fastify.get("/", async (request) => `served ${request.raw.httpVersion}`);
  fastify.post("/echo", async (request) => request.body);
  fastify.get("/throw", async () => {
    throw new Error("a defect");
  });
  fastify.get("/stream", (_request, reply) => {
    reply.hijack();
    reply.raw.write("one ");
    reply.raw.end("two");
  });
  fastify.setErrorHandler((_error, _request, reply) => reply.code(500).send("error handler"));
  fastify.setNotFoundHandler((_request, reply) => reply.code(404).send("not-found handler"));
  await fastify.ready();
  const handler: RequestHandler = (request, response) =>
    fastify.routing(request as IncomingMessage, response as ServerResponse);
  const started = await startListener(t, { handler, ...(tls ? { tls: testCertificate } : {}) });
  return {
    ...started,
    fastify,
    calls,
    url: `${tls ? "https" : "http"}://127.0.0.1:${started.port}`,
  };
}

test("Fastify routes requests of both versions without listening: bodies, hooks, errors, 404s", async (t) => {
  const { url, calls, fastify } = await startRouter(t);
  const session = connectHttp2(t, url);
  const http1 = async (path: string): Promise<{ status: number; body: string }> => {
    const response = await fetch(url + path);
    return { status: response.status, body: await response.text() };
  };
  const ask = { "HTTP/1.1": http1, "HTTP/2": (path: string) => requestHttp2(session, path) };
  for (const [version, request] of Object.entries(ask)) {
    const served = `served ${version === "HTTP/2" ? "2.0" : "1.1"}`;
    assert.deepEqual(await request("/"), { status: 200, body: served });
    assert.deepEqual(await request("/throw"), { status: 500, body: "error handler" });
    assert.deepEqual(await request("/nothing"), { status: 404, body: "not-found handler" });
    assert.deepEqual(await request("/stream"), { status: 200, body: "one two" });
  }
  const post = session.request({
    ":path": "/echo",
    ":method": "POST",
    "content-type": "text/plain",
  });
  post.end("a body over HTTP/2");
  assert.equal((await post.setEncoding("utf8").toArray()).join(""), "a body over HTTP/2");
  const large = await fetch(`${url}/echo`, { method: "POST", body: "a".repeat(2_000) });
  assert.equal(large.status, 500, "bodyLimit reaches the error handler");
  await large.text();

  for (const path of ["/", "/throw", "/nothing", "/stream"]) {
    for (const hook of ["onRequest", "onResponse"]) {
      assert.equal(calls.filter((call) => call === `${hook} ${path}`).length, 2, `${hook} ${path}`);
    }
  }
  calls.length = 0;
  await fastify.close();
  assert.deepEqual(calls, ["preClose", "onClose"]);
});

test("Fastify routes requests of both versions over TLS", async (t) => {
  const { url, port, fastify } = await startRouter(t, { tls: true });
  const session = connectHttp2(t, url);
  assert.deepEqual(await requestHttp2(session, "/"), { status: 200, body: "served 2.0" });
  const http1 = await connectTls(t, port, { ALPNProtocols: ["http/1.1"] });
  http1.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  assert.match(await readAll(http1), /served 1\.1$/);
  await fastify.close();
});

test("a closed Fastify answers 503 on connections that are still open", async (t) => {
  const { url, fastify } = await startRouter(t);
  const session = connectHttp2(t, url);
  await once(session, "connect");
  await fastify.close();
  assert.equal((await requestHttp2(session, "/")).status, 503);
  const response = await fetch(url);
  assert.deepEqual([response.status, response.headers.get("connection")], [503, "close"]);
  await response.text();
});
