import assert from "node:assert/strict";
import http2 from "node:http2";
import { type TestContext, test } from "node:test";
import { callJson, startApp } from "../support/app.ts";
import { connectTcp, readAll } from "../support/listener.ts";
import { connectRaw, whenClosed } from "../support/raw-call.ts";

function startImpatient(t: TestContext) {
  const listenerTimeouts = { headersTimeoutMs: 100, requestTimeoutMs: 200, checkIntervalMs: 25 };
  return startApp(t, { overrides: { listenerTimeouts } });
}

const path = "/chat.ChatService/SendMessage";

test("a client that is slow with its headers is cut off", async (t) => {
  const app = await startImpatient(t);
  const socket = await connectTcp(t, app.port);
  socket.write(`POST ${path} HTTP/1.1\r\nhost: localhost\r\n`);
  assert.match(await readAll(socket), /^HTTP\/1.1 408/);
});

test("a client that is slow with its body is cut off, HTTP/1.1", async (t) => {
  const app = await startImpatient(t);
  const socket = await connectTcp(t, app.port);
  const headers = "host: localhost\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n";
  socket.write(`POST ${path} HTTP/1.1\r\n${headers}{"message":`);
  await readAll(socket);
  assert.equal((await callJson(app, "Health", {})).status, 200);
});

test("a client that is slow with its body is cut off, HTTP/2", async (t) => {
  const app = await startImpatient(t);
  const session = await connectRaw(app);
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => undefined);
  stream.write(Buffer.from([0, 0, 0, 0, 50, 1, 2]));
  await whenClosed(stream);
  assert.equal(stream.rstCode, http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
});
