import assert from "node:assert/strict";
import { once } from "node:events";
import http, { type ServerResponse } from "node:http";
import { type ClientHttp2Stream, constants } from "node:http2";
import type { Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { testCertificate } from "../../support/certificate.ts";
import { connectRawHttp2, frameTypes, requestHeaders } from "../../support/http2-frames.ts";
import {
  answerOk,
  assertNothingOpen,
  connectHttp2,
  connectTcp,
  connectTls,
  readAll,
  readUntil,
  requestHttp2,
  startListener,
  until,
} from "../../support/listener.ts";

/** So long that a test which waits for it has failed. */
const graceMs = 60_000;

/** A listener whose handler holds every request to `/hold` until the test ends it. */
async function startHolding(t: TestContext, tls: boolean) {
  const held: Writable[] = [];
  const started = await startListener(t, {
    ...(tls ? { tls: testCertificate } : {}),
    // Nothing here may depend on the first.
    timeouts: { goawayTimeoutMs: graceMs, lingerTimeoutMs: 50 },
    handler: (request, response) => {
      if (request.url !== "/hold") return answerOk(request, response);
      request.resume();
      const body: Writable = response;
      body.write("begun ");
      held.push(body);
    },
  });
  const connect = (port: number) =>
    tls ? connectTls(t, port, { ALPNProtocols: ["http/1.1"] }) : connectTcp(t, port);
  return {
    ...started,
    held,
    connect,
    url: `${tls ? "https" : "http"}://127.0.0.1:${started.port}`,
  };
}

for (const tls of [false, true]) {
  const where = tls ? "TLS" : "plain";

  test(`close waits for open requests of both kinds and for nothing else (${where})`, async (t) => {
    const { listener, port, held, connect, url } = await startHolding(t, tls);
    const idleHttp1 = await connect(port);
    idleHttp1.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await readUntil(idleHttp1, "ok 1.1");
    const idleHttp2 = connectHttp2(t, url);
    await requestHttp2(idleHttp2, "/");
    const undecided = await connectTcp(t, port);
    const activeHttp1 = await connect(port);
    const http1Answer = readAll(activeHttp1);
    activeHttp1.write("GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const activeHttp2 = connectHttp2(t, url);
    const http2Answer = requestHttp2(activeHttp2, "/hold", "body");
    await until(() => held.length === 2);

    let closed = false;
    const closing = listener.close({ graceMs }).then(() => {
      closed = true;
    });
    await Promise.all([once(idleHttp1, "close"), once(idleHttp2, "close")]);
    assert.equal(closed, false);
    await assert.rejects(connect(port), { code: "ECONNREFUSED" });
    for (const response of held) response.end("ended");
    assert.match(await http1Answer, /begun [\s\S]*ended/);
    assert.equal((await http2Answer).body, "begun ended");
    await closing;
    assertNothingOpen(listener);
    assert.ok(undecided.destroyed || (await once(undecided, "close")));
  });

  test(`close ends what is still open when the grace is over (${where})`, async (t) => {
    const { listener, port, held, connect, url } = await startHolding(t, tls);
    const http1 = await connect(port);
    const http1Answer = readAll(http1);
    http1.write("GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const session = connectHttp2(t, url);
    const stream = session.request({ ":path": "/hold" });
    stream.on("error", () => {});
    stream.resume();
    await until(() => held.length === 2);
    await listener.close({ graceMs: 20 });
    assertNothingOpen(listener);
    assert.doesNotMatch(await http1Answer, /ended/);
    if (!stream.closed) await once(stream, "close");
  });
}

test("a second close with less grace ends the first", async (t) => {
  const { listener, held, url } = await startHolding(t, false);
  const session = connectHttp2(t, url);
  session.request({ ":path": "/hold" }).on("error", () => {});
  await until(() => held.length === 1);
  const first = listener.close({ graceMs });
  await listener.close({ graceMs: 0 });
  await first;
  assertNothingOpen(listener);
});

test("close resolves though peers neither read nor part, in any state", async (t) => {
  const { listener, port } = await startListener(t, { timeouts: { lingerTimeoutMs: 50 } });
  const silent = await connectRawHttp2(t, port, { answerPings: false });
  await silent.receive(({ type }) => type === frameTypes.settings);
  const half = await connectTcp(t, port);
  half.write("POST / HTTP/1.1\r\nHost: loc");
  await until(() => listener.connections().http1Connections === 1);
  await connectTcp(t, port);
  await until(() => listener.connections().sockets === 3);
  await listener.close({ graceMs });
  assertNothingOpen(listener);
});

test("close of a listener that never listened resolves", async (t) => {
  const { listener } = await startListener(t);
  await listener.close({ graceMs });
  await listener.close({ graceMs });
});

test("drain tells HTTP/1.1 clients to close: a response that has not begun, and the next request", async (t) => {
  const waiting: ServerResponse[] = [];
  const { listener, port } = await startListener(t, {
    handler: (_request, response) => void waiting.push(response as ServerResponse),
  });
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const answered = once(http.get({ host: "127.0.0.1", port, agent }), "response");
  await until(() => waiting.length === 1);
  const half = await connectTcp(t, port);
  const halfAnswer = readAll(half);
  half.write("GET / HTTP/1.1\r\nHost: loc");
  await until(() => listener.connections().http1Connections === 2);
  listener.drain();
  listener.drain();
  half.write("alhost\r\n\r\n");
  await until(() => waiting.length === 2);
  for (const response of waiting) response.end("last");
  const [response] = await answered;
  assert.equal(response.headers.connection, "close");
  response.resume();
  assert.match(await halfAnswer, /Connection: close\r\n[\s\S]*last/);
  await until(() => listener.connections().sockets === 0);
});

for (const tls of [false, true]) {
  const where = tls ? "TLS" : "plain";

  test(`drain keeps idle HTTP/1.1 connections, and closes each with its next answer (${where})`, async (t) => {
    const { listener, port, held, connect } = await startHolding(t, tls);
    const fresh = await connect(port);
    const idle = await connect(port);
    idle.write(getRequest("/"));
    await readUntil(idle, "ok 1.1");
    const busy = await connect(port);
    const busyAnswer = readUntil(busy, "ended");
    busy.write(getRequest("/hold"));
    await until(() => held.length === 1 && listener.connections().http1Connections >= 2);
    listener.drain();
    held[0]?.end("ended");
    assert.match(await busyAnswer, /Connection: keep-alive\r\n[\s\S]*begun [\s\S]*ended/);
    // The test's other awaits give a close the time to arrive, if there were one.
    for (const socket of [fresh, idle, busy]) {
      assert.ok(!socket.readableEnded);
      const answer = readAll(socket);
      socket.write(getRequest("/"));
      assert.match(await answer, /^HTTP\/1\.1 200 [\s\S]*Connection: close[\s\S]*ok 1\.1$/);
    }
  });

  test(`close gives idle connections and new ones a moment to be told (${where})`, async (t) => {
    const { listener, port, connect } = await startListener(t, {
      timeouts: { lingerTimeoutMs: graceMs },
      ...(tls && { tls: testCertificate }),
    }).then((started) => ({
      ...started,
      connect: () =>
        tls
          ? connectTls(t, started.port, { ALPNProtocols: ["http/1.1"] })
          : connectTcp(t, started.port),
    }));
    const idle = await connect();
    idle.write(getRequest("/"));
    await readUntil(idle, "ok 1.1");
    const undecided = await connect();
    undecided.write("G");
    await until(() => listener.connections().sockets === 2);
    const closing = listener.close({ graceMs });
    await assert.rejects(connectTcp(t, port), { code: "ECONNREFUSED" });
    const answers = [idle, undecided].map(readAll);
    undecided.write(getRequest("/").slice(1));
    idle.write(getRequest("/"));
    for (const answer of answers) {
      assert.match(await answer, /^HTTP\/1\.1 200 [\s\S]*Connection: close[\s\S]*ok 1\.1$/);
    }
    await closing;
    assertNothingOpen(listener);
  });

  test(`close ends an idle connection without a reset, and acts on nothing that crosses (${where})`, async (t) => {
    const { listener, port, held, connect } = await startHolding(t, tls);
    const busy = await connect(port);
    const busyAnswer = readAll(busy);
    busy.write(getRequest("/hold"));
    const idle = await connect(port);
    idle.allowHalfOpen = true;
    idle.write(getRequest("/"));
    await readUntil(idle, "ok 1.1");
    await until(() => held.length === 1);
    const errors: Error[] = [];
    idle.on("error", (error) => errors.push(error));
    const ended = once(idle, "end");
    const closing = listener.close({ graceMs });
    await ended;
    idle.write(getRequest("/hold"));
    held[0]?.end("ended");
    await busyAnswer;
    assert.equal(held.length, 1, "what crossed with the end was not served");
    assert.deepEqual(errors, []);
    idle.end();
    await closing;
    assertNothingOpen(listener);
  });
}

test("drain still serves new connections, and closes each after its request", async (t) => {
  const { listener, port } = await startListener(t);
  const undecided = await connectTcp(t, port);
  const answer = readAll(undecided);
  undecided.write("G");
  await until(() => listener.connections().undecided === 1);
  listener.drain();
  undecided.write("ET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.match(await answer, /^HTTP\/1\.1 200 [\s\S]*Connection: close/);

  const client = connectHttp2(t, `http://127.0.0.1:${port}`);
  const { status } = await requestHttp2(client, "/");
  assert.equal(status, 200);
  await until(() => listener.connections().sockets === 0);
});

test("close serves no connection that tells its protocol when the others have parted", async (t) => {
  const { listener, port, held } = await startHolding(t, false);
  const holding = await connectTcp(t, port);
  const begun = readUntil(holding, "begun");
  holding.write(getRequest("/hold"));
  await begun;
  const idle = await connectTcp(t, port);
  idle.write(getRequest("/"));
  await readUntil(idle, "ok 1.1");
  const socket = await connectTcp(t, port);
  const answer = readAll(socket);
  socket.write("P");
  await until(() => listener.connections().undecided === 1);
  const closed = listener.close({ graceMs });
  await once(idle, "close");
  socket.write("UT / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.equal(await answer, "");
  held[0]?.end("ended");
  await closed;
});

test("drain sends a GOAWAY that refuses nothing, then, after a PING, the last stream it served", async (t) => {
  const { listener, port, held } = await startHolding(t, false);
  const raw = await connectRawHttp2(t, port, { answerPings: false });
  raw.write(requestHeaders(1, { path: "/hold" }));
  await until(() => held.length === 1);
  listener.drain();
  const first = await raw.receive(({ type }) => type === frameTypes.goaway);
  assert.equal(first.payload.readUInt32BE(0), 2 ** 31 - 1);
  assert.equal(first.payload.readUInt32BE(4), constants.NGHTTP2_NO_ERROR);

  const ping = await raw.receive(({ type, flags }) => type === frameTypes.ping && flags === 0);
  raw.write(requestHeaders(3), frameOfPingAck(ping.payload));
  const last = await raw.receive(
    ({ type, payload }) => type === frameTypes.goaway && payload.readUInt32BE(0) !== 2 ** 31 - 1,
  );
  assert.equal(last.payload.readUInt32BE(4), constants.NGHTTP2_NO_ERROR);
  assert.equal(last.payload.readUInt32BE(0), 1, "stream 3 was not served: it may be sent again");
  held[0]?.end("ended");
  await raw.receive(
    ({ type, streamId, flags }) => type === 0 && streamId === 1 && (flags & 1) === 1,
  );
  assert.ok(!raw.frames.some(({ streamId }) => streamId === 3));
  raw.socket.end();
  await raw.closed;
});

test("drain closes a session at once when its last stream ends in the PING's round trip", async (t) => {
  const { listener, port, held } = await startHolding(t, false);
  const raw = await connectRawHttp2(t, port, { answerPings: false });
  raw.write(requestHeaders(1, { path: "/hold" }));
  await until(() => held.length === 1);
  listener.drain();
  await raw.receive(({ type }) => type === frameTypes.goaway);
  held[0]?.end("ended");
  await raw.receive(
    ({ type, payload }) => type === frameTypes.goaway && payload.readUInt32BE(0) === 1,
  );
});

test("the final GOAWAY comes though the client answers no PING", async (t) => {
  const { listener, port } = await startListener(t, {
    timeouts: { goawayTimeoutMs: 30 },
    handler: () => {},
  });
  const raw = await connectRawHttp2(t, port, { answerPings: false });
  raw.write(requestHeaders(1));
  await until(() => listener.connections().http2Requests === 1);
  listener.drain();
  await raw.receive(
    ({ type, payload }) => type === frameTypes.goaway && payload.readUInt32BE(0) === 1,
  );
});

test("a call that races with the drain succeeds or is refused in a way that may be retried", async (t) => {
  const { listener, held, url } = await startHolding(t, false);
  const sessions = Array.from({ length: 10 }, () => connectHttp2(t, url));
  await Promise.all(sessions.map((session) => requestHttp2(session, "/")));
  const busy = sessions
    .slice(0, 5)
    .map((session) => outcome(session.request({ ":path": "/hold" })));
  await until(() => held.length === busy.length);

  const racing: Promise<string>[] = [];
  const callAll = (): void => {
    for (const session of sessions) {
      if (!session.closed && !session.destroyed) racing.push(outcome(session.request()));
    }
  };
  callAll();
  listener.drain();
  callAll();
  while (sessions.some((session) => !session.closed && !session.destroyed)) {
    await new Promise((resolve) => setImmediate(resolve));
    callAll();
  }
  for (const body of held) body.end("ended");
  assert.deepEqual(new Set(await Promise.all(busy)), new Set(["served"]));
  const outcomes = await Promise.all(racing);
  assert.ok(outcomes.length >= 20);
  for (const seen of outcomes) assert.ok(seen === "served" || seen === "refused", seen);
  await until(() => listener.connections().sockets === 0);
});

/** How a call ended for its client: "refused" tells it that the server did nothing. */
function outcome(stream: ClientHttp2Stream): Promise<string> {
  let ended = false;
  stream.on("error", () => {});
  stream.on("end", () => {
    ended = true;
  });
  stream.resume();
  return new Promise((resolve) => {
    stream.once("close", () => {
      if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) resolve("refused");
      else resolve(ended && stream.rstCode === 0 ? "served" : `lost with ${stream.rstCode}`);
    });
  });
}

function frameOfPingAck(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0, 0, 8, frameTypes.ping, 1, 0, 0, 0, 0]), payload]);
}

function getRequest(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
}
