import assert from "node:assert/strict";
import { once } from "node:events";
import type { Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { listenerTimeoutsDefault } from "../../../src/listener/options.ts";
import {
  connectRawHttp2,
  frame,
  frameTypes,
  http2Preface,
  requestHeaders,
} from "../../support/http2-frames.ts";
import {
  answerOk,
  connectHttp2,
  connectTcp,
  readAll,
  readUntil,
  requestHttp2,
  startListener,
  until,
} from "../../support/listener.ts";

const requestTimeouts = { headersTimeoutMs: 60, requestTimeoutMs: 120, checkIntervalMs: 20 };
const slowBodyHttp1 = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc";
const enhanceYourCalm = 11;

/** A client that is cut, so that what started before it and still stands has stood the same checks. */
async function seeSlowBodyCut(t: TestContext, port: number): Promise<void> {
  const socket = await connectTcp(t, port);
  socket.write(slowBodyHttp1);
  assert.match(await readAll(socket), /^HTTP\/1\.1 408 /);
}

test("the defaults are the ones that the design names", () => {
  const { sniffTimeoutMs, headersTimeoutMs, requestTimeoutMs } = listenerTimeoutsDefault;
  assert.deepEqual([sniffTimeoutMs, headersTimeoutMs, requestTimeoutMs], [5_000, 10_000, 30_000]);
  const { pingIntervalMs, pingTimeoutMs, keepAliveTimeoutMs } = listenerTimeoutsDefault;
  assert.deepEqual([pingIntervalMs, pingTimeoutMs], [30_000, 10_000]);
  assert.ok(keepAliveTimeoutMs > 60_000, "longer than a load balancer keeps its idle connections");
});

test("cuts a silent socket and one that stops within the preface", async (t) => {
  const { port } = await startListener(t, { timeouts: { sniffTimeoutMs: 50 } });
  assert.equal(await readAll(await connectTcp(t, port)), "");
  const half = await connectTcp(t, port);
  half.write(http2Preface.subarray(0, 12));
  assert.equal(await readAll(half), "");
});

test("answers 408 to slow HTTP/1.1 headers and to a slow HTTP/1.1 body", async (t) => {
  const { port } = await startListener(t, { timeouts: requestTimeouts });
  const stalled = await connectTcp(t, port);
  stalled.write("GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
  assert.match(await readAll(stalled), /^HTTP\/1\.1 408 /);
  const dribbling = await connectTcp(t, port);
  dribbling.write("GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
  const dribble = setInterval(() => dribbling.write("a"), 10);
  t.after(() => clearInterval(dribble));
  // The answer may be lost to a reset, since the client still sends.
  await readAll(dribbling);
  await seeSlowBodyCut(t, port);
});

test("closes an idle HTTP/1.1 connection after its keep-alive time", async (t) => {
  const { port } = await startListener(t, { timeouts: { keepAliveTimeoutMs: 50 } });
  const socket = await connectTcp(t, port);
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.match(await readAll(socket), /ok 1\.1$/);
});

test("resets an HTTP/2 request whose body is dribbled, and leaves its session in peace", async (t) => {
  const { port } = await startListener(t, { timeouts: requestTimeouts });
  const raw = await connectRawHttp2(t, port);
  raw.write(requestHeaders(1, { method: "POST", endStream: false }));
  const dribble = setInterval(() => raw.write(frame(frameTypes.data, 0, 1, Buffer.from("a"))), 10);
  t.after(() => clearInterval(dribble));
  const reset = await raw.receive(({ type }) => type === frameTypes.rstStream);
  clearInterval(dribble);
  assert.deepEqual([reset.streamId, reset.payload.readUInt32BE()], [1, enhanceYourCalm]);
  raw.write(requestHeaders(3));
  const answer = await raw.receive(
    ({ type, streamId }) => type === frameTypes.data && streamId === 3,
  );
  assert.equal(answer.payload.toString(), "ok 2.0");
});

test("ends without an error an HTTP/2 request that was answered before its body had ended", async (t) => {
  const { port } = await startListener(t, {
    timeouts: requestTimeouts,
    handler: (request, response) => {
      request.once("data", () => response.end("enough"));
    },
  });
  const raw = await connectRawHttp2(t, port);
  raw.write(
    requestHeaders(1, { method: "POST", endStream: false }),
    frame(frameTypes.data, 0, 1, Buffer.from("a")),
  );
  const reset = await raw.receive(({ type }) => type === frameTypes.rstStream);
  assert.equal(reset.payload.readUInt32BE(), 0);
});

test("never cuts a response in progress, nor an open-ended request", async (t) => {
  const held: Writable[] = [];
  const { port } = await startListener(t, {
    timeouts: requestTimeouts,
    isOpenEnded: (path) => path === "/chat.ChatService/Chat",
    handler: (request, response) => {
      if (request.url === "/") return answerOk(request, response);
      request.resume();
      const body: Writable = response;
      body.write("begun ");
      held.push(body);
    },
  });
  const http1 = await connectTcp(t, port);
  const http1Answer = readUntil(http1, "ended");
  http1.write("GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const session = connectHttp2(t, `http://127.0.0.1:${port}`);
  const http2Answer = requestHttp2(session, "/long", "body");
  const chat = session.request({ ":path": "/chat.ChatService/Chat", ":method": "POST" });
  chat.resume();
  chat.write("first message");
  await until(() => held.length === 3);

  await seeSlowBodyCut(t, port);
  const raw = await connectRawHttp2(t, port);
  raw.write(requestHeaders(1, { method: "POST", endStream: false }));
  await raw.receive(({ type }) => type === frameTypes.rstStream);

  for (const response of held) response.end("ended");
  await http1Answer;
  assert.equal((await http2Answer).body, "begun ended");
  chat.end("last message");
  await once(chat, "close");
  assert.equal(chat.rstCode, 0);
});

test("keeps an idle HTTP/2 session that answers PINGs and cuts one that does not", async (t) => {
  const { port, listener } = await startListener(t, {
    timeouts: { pingIntervalMs: 40, pingTimeoutMs: 1_000 },
  });
  const alive = await connectRawHttp2(t, port);
  const dead = await connectRawHttp2(t, port, { answerPings: false });
  await dead.closed;
  assert.equal(listener.connections().http2Sessions, 1);
  alive.write(requestHeaders(1));
  await alive.receive(({ type }) => type === frameTypes.data);
});

test("cuts a peer that stopped reading so that not even a PING gets out", async (t) => {
  let isAnswered = false;
  const { port, listener } = await startListener(t, {
    timeouts: { pingIntervalMs: 40, pingTimeoutMs: 80 },
    handler: (_request, response) => {
      isAnswered = true;
      response.end(Buffer.alloc(64 * 1024 * 1024));
    },
  });
  const windowMax = Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]);
  const raw = await connectRawHttp2(t, port, { settings: windowMax });
  raw.socket.pause();
  raw.write(frame(frameTypes.windowUpdate, 0, 0, Buffer.from([0x7f, 0, 0, 0])), requestHeaders(1));
  await until(() => isAnswered);
  await until(() => listener.connections().sockets === 0);
});
