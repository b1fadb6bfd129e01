import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import type { Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { whenAged } from "../../../src/listener/connection-age.ts";
import { connectRawHttp2, frameTypes, requestHeaders } from "../../support/http2-frames.ts";
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

const connectionAgeMaxMs = 60_000;
const getRoot = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/** A listener whose connections grow old when the test says so; requests to `/hold` are the test's to end. */
async function startAging(t: TestContext) {
  // Of the listener's timers only: Node's own are no part of the mock.
  t.mock.timers.enable({ apis: ["setTimeout"] });
  // Before the listener closes, which waits by them.
  t.after(() => t.mock.timers.reset());
  const held: Writable[] = [];
  const started = await startListener(t, {
    limits: { connectionAgeMaxMs },
    handler: (request, response) => {
      if (request.url !== "/hold") return answerOk(request, response);
      request.resume();
      const body: Writable = response;
      body.write("begun ");
      held.push(body);
    },
  });
  // The last of them ends at 110 %.
  const grow = () => t.mock.timers.tick(connectionAgeMaxMs * 1.1);
  return { ...started, held, grow };
}

test("a connection's age varies by a tenth, so that they do not all end together", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const ends: number[] = [];
  for (const [random, ageMs] of [
    [0, 900],
    [0.5, 1_000],
    [0.999_999, 1_100],
  ] as const) {
    whenAged(
      new EventEmitter(),
      1_000,
      () => ends.push(ageMs),
      () => random,
    );
  }
  t.mock.timers.tick(899);
  assert.deepEqual(ends, []);
  for (const seen of [[900], [900, 1_000], [900, 1_000, 1_100]]) {
    t.mock.timers.tick(seen.length === 1 ? 1 : 100);
    assert.deepEqual(ends, seen);
  }
});

test("connections that are opened together end one after the other", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let ended = 0;
  for (let count = 0; count < 100; count += 1) {
    whenAged(new EventEmitter(), connectionAgeMaxMs, () => {
      ended += 1;
    });
  }
  const seen = new Set<number>();
  for (let step = 0; step <= 20; step += 1) {
    t.mock.timers.tick(step === 0 ? connectionAgeMaxMs * 0.9 : connectionAgeMaxMs * 0.01);
    seen.add(ended);
  }
  assert.equal(ended, 100);
  // By chance alone all of a hundred would not fall into so few of the twenty steps.
  assert.ok(seen.size > 5, [...seen].join());
});

test("a connection that closes before does not age, nor does one without a limit", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const connection = new EventEmitter();
  whenAged(connection, 1_000, assert.fail);
  connection.emit("close");
  whenAged(new EventEmitter(), 0, assert.fail);
  t.mock.timers.tick(2_000);
});

test("an old HTTP/1.1 connection closes with its next answer, not while it is idle", async (t) => {
  const { port, grow, held } = await startAging(t);
  const idle = await connectTcp(t, port);
  idle.write(getRoot);
  assert.match(await readUntil(idle, "ok 1.1"), /Connection: keep-alive/);
  const busy = await connectTcp(t, port);
  const begun = readUntil(busy, "begun");
  busy.write("GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await begun;
  grow();
  const ended = readUntil(busy, "ended");
  held[0]?.end("ended");
  await ended;
  for (const socket of [idle, busy]) {
    const answer = readAll(socket);
    socket.write(getRoot);
    assert.match(await answer, /Connection: close[\s\S]*ok 1\.1$/);
  }
  const young = await connectTcp(t, port);
  young.write(getRoot);
  assert.match(await readUntil(young, "ok 1.1"), /Connection: keep-alive/);
});

test("an old idle HTTP/2 session ends by GOAWAY, a young one stays", async (t) => {
  const { port, grow, listener } = await startAging(t);
  const old = connectHttp2(t, `http://127.0.0.1:${port}`);
  await requestHttp2(old, "/");
  const told = once(old, "goaway");
  grow();
  assert.equal((await told)[0], 0);
  const young = connectHttp2(t, `http://127.0.0.1:${port}`);
  await requestHttp2(young, "/");
  await until(() => listener.connections().http2Sessions === 1);
  assert.equal((await requestHttp2(young, "/")).status, 200);
});

test("an old HTTP/2 session with open streams says so first, and ends when they have", async (t) => {
  const { port, grow, held, listener } = await startAging(t);
  const raw = await connectRawHttp2(t, port);
  raw.write(requestHeaders(1, { path: "/hold" }), requestHeaders(3, { path: "/hold" }));
  await until(() => held.length === 2);
  grow();
  const first = await raw.receive(({ type }) => type === frameTypes.goaway);
  assert.equal(first.payload.readUInt32BE(0), 2 ** 31 - 1);
  await raw.receive(
    ({ type, payload }) => type === frameTypes.goaway && payload.readUInt32BE(0) === 3,
  );
  held[0]?.end("ended");
  await raw.receive(({ type, streamId, flags }) => type === 0 && streamId === 1 && flags === 1);
  assert.equal(listener.connections().http2Sessions, 1);
  held[1]?.end("ended");
  await raw.receive(({ type, streamId, flags }) => type === 0 && streamId === 3 && flags === 1);
  await until(() => listener.connections().http2Sessions === 0);
  raw.socket.end();
});

test("a drain in the middle of it changes nothing", async (t) => {
  const { port, grow, held, listener } = await startAging(t);
  const session = connectHttp2(t, `http://127.0.0.1:${port}`);
  const answer = requestHttp2(session, "/hold");
  await until(() => held.length === 1);
  grow();
  listener.drain();
  held[0]?.end("ended");
  assert.equal((await answer).body, "begun ended");
  await until(() => listener.connections().sockets === 0);
});
