import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import {
  connectRawHttp2,
  frame,
  frameTypes,
  http2Preface,
  requestHeaders,
} from "../../support/http2-frames.ts";
import {
  assertNothingOpen,
  connectHttp2,
  connectTcp,
  readAll,
  readUntil,
  requestHttp2,
  silentLog,
  startListener,
  until,
} from "../../support/listener.ts";

const http1Request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

test("answers HTTP/1.1 and HTTP/2 on one port", async (t) => {
  const { port } = await startListener(t);
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "ok 1.1");
  const session = connectHttp2(t, `http://127.0.0.1:${port}`);
  assert.deepEqual(await requestHttp2(session, "/", "body"), { status: 200, body: "ok 2.0" });
});

test("knows either version when its bytes come one at a time", async (t) => {
  const { port } = await startListener(t);
  const writeBytes = async (socket: Awaited<ReturnType<typeof connectTcp>>, bytes: Buffer) => {
    for (const byte of bytes) {
      await new Promise((resolve) => socket.write(Buffer.from([byte]), resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const post = await connectTcp(t, port);
  const postAnswer = readAll(post);
  await writeBytes(post, Buffer.from(http1Request.replace("GET", "PUT")));
  assert.match(await postAnswer, /^HTTP\/1\.1 200 [\s\S]*ok 1\.1$/m);

  const http2 = await connectTcp(t, port);
  const http2Answer = readUntil(http2, "ok 2.0");
  await writeBytes(
    http2,
    Buffer.concat([http2Preface, frame(frameTypes.settings), requestHeaders(1)]),
  );
  await http2Answer;
});

test("answers a request to upgrade to h2c over HTTP/1.1, as curl --http2 expects", async (t) => {
  const { port } = await startListener(t);
  const socket = await connectTcp(t, port);
  socket.write(
    "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n" +
      "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
  );
  assert.match(await readUntil(socket, "ok 1.1"), /^HTTP\/1\.1 200 /);
});

test("survives garbage, half a request and resets, on an undecided, an HTTP/1.1 and an HTTP/2 connection", async (t) => {
  const errors: object[] = [];
  const { port, listener } = await startListener(t, { log: silentLog(errors) });
  const garbage = await connectTcp(t, port);
  garbage.write(Buffer.from([0, 255, 1, 254, 13, 10, 13, 10]));
  assert.match(await readAll(garbage), /^HTTP\/1\.1 400 /);

  const afterPreface = await connectTcp(t, port);
  afterPreface.write(Buffer.concat([http2Preface, Buffer.alloc(64, 0xff)]));
  afterPreface.resume();
  await once(afterPreface, "close");

  for (const bytes of [
    "",
    "PRI * HT",
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc",
  ]) {
    const socket = await connectTcp(t, port);
    socket.write(bytes);
    await until(() => listener.connections().sockets === 1);
    socket.resetAndDestroy();
    await until(() => listener.connections().sockets === 0);
  }
  const raw = await connectRawHttp2(t, port);
  raw.write(requestHeaders(1, { method: "POST", endStream: false }));
  await until(() => listener.connections().http2Requests === 1);
  raw.socket.resetAndDestroy();
  await until(() => listener.connections().sockets === 0);

  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "ok 1.1");
  assert.deepEqual(errors, []);
});

test("holds headers to the same size in both versions", async (t) => {
  const { port } = await startListener(t, { limits: { headerBytesMax: 8_192 } });
  const large = { "x-large": "a".repeat(9_000) };
  const fitting = { "x-large": "a".repeat(6_000) };
  const url = `http://127.0.0.1:${port}`;
  assert.equal((await fetch(url, { headers: fitting })).status, 200);
  assert.equal((await fetch(url, { headers: large })).status, 431);

  const session = connectHttp2(t, url);
  const accepted = session.request({ ":path": "/", ...fitting });
  const [headers] = await once(accepted, "response");
  assert.equal(headers[":status"], 200);
  accepted.resume();
  const refused = session.request({ ":path": "/", ...large });
  await assert.rejects(once(refused, "response"), /ENHANCE_YOUR_CALM/);
});

test("lets one HTTP/2 connection have 250 streams and refuses the next", async (t) => {
  const { port, listener } = await startListener(t, { handler: () => {} });
  const ids = Array.from({ length: 251 }, (_, index) => 2 * index + 1);
  const requests = ids.map((id) => requestHeaders(id));
  const raw = await connectRawHttp2(t, port);
  const settings = await raw.receive(
    ({ type, flags }) => type === frameTypes.settings && flags === 0,
  );
  assert.ok(settings.payload.includes(Buffer.from([0, 3, 0, 0, 0, 250])), "MAX_CONCURRENT_STREAMS");
  raw.write(...requests);
  const refusal = await raw.receive(({ type }) => type === frameTypes.rstStream);
  assert.equal(refusal.streamId, 501);
  assert.equal(refusal.payload.readUInt32BE(), 7, "REFUSED_STREAM: the client may send it again");
  assert.equal(listener.connections().http2Requests, 250);

  const knowing = await connectRawHttp2(t, port);
  await knowing.receive(({ type, flags }) => type === frameTypes.settings && flags === 0);
  knowing.write(frame(frameTypes.settings, 1), ...requests);
  const goaway = await knowing.receive(({ type }) => type === frameTypes.goaway);
  assert.equal(goaway.payload.readUInt32BE(4), 1, "PROTOCOL_ERROR");
  await knowing.closed;
});

test("closes a connection past connectionsMax at once and serves again when one has left", async (t) => {
  const { port, listener } = await startListener(t, { limits: { connectionsMax: 1 } });
  const first = await connectTcp(t, port);
  await until(() => listener.connections().sockets === 1);
  assert.equal(await readAll(await connectTcp(t, port)), "");
  assert.equal(listener.connections().refusedTotal, 1);
  first.destroy();
  await until(() => listener.connections().sockets === 0);
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "ok 1.1");
});

test("cuts only the one request whose handler throws, and logs why", async (t) => {
  const errors: object[] = [];
  const { port } = await startListener(t, {
    log: silentLog(errors),
    handler: (request, response) => {
      if (request.url === "/throw") throw new Error("a defect");
      response.end("served");
    },
  });
  const url = `http://127.0.0.1:${port}`;
  await assert.rejects(fetch(`${url}/throw`));
  const session = connectHttp2(t, url);
  await assert.rejects(requestHttp2(session, "/throw"));
  assert.equal((await requestHttp2(session, "/")).body, "served");
  assert.equal(errors.length, 2);
});

test("leaves no socket, session or timer behind after 200 connections came and went", async (t) => {
  const { port, listener } = await startListener(t);
  const timeouts = t.mock.method(globalThis, "setTimeout").mock;
  const intervals = t.mock.method(globalThis, "setInterval").mock;
  const cleared = t.mock.method(globalThis, "clearInterval").mock;
  const timers = (): number =>
    process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  for (let round = 0; round < 50; round += 1) {
    const silent = await connectTcp(t, port);
    const halfPreface = await connectTcp(t, port);
    halfPreface.write(http2Preface.subarray(0, 10));
    const http1 = await connectTcp(t, port);
    http1.write(http1Request);
    await readAll(http1);
    const raw = await connectRawHttp2(t, port);
    raw.write(requestHeaders(1));
    await raw.receive(({ type }) => type === frameTypes.data);
    for (const socket of [silent, halfPreface, raw.socket]) socket.destroy();
  }
  await until(() => listener.connections().sockets === 0);
  assertNothingOpen(listener);
  await until(() => timers() <= before);
  assert.ok(timeouts.callCount() >= 200, "each connection had a time to tell its protocol");
  // The pings of a session hold no process open, so only their end tells that they are gone.
  const stopped = new Set(cleared.calls.map(({ arguments: [timer] }) => timer));
  assert.equal(intervals.callCount(), 50);
  for (const { result } of intervals.calls) assert.ok(stopped.has(result));
});
