import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, constants, type IncomingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { startApp } from "../support/app.ts";
import { attackBeside } from "../support/bystander.ts";
import {
  connectRawHttp2,
  frame,
  frameTypes,
  http2Preface,
  requestHeaders,
} from "../support/http2-frames.ts";
import { connectHttp2, connectTcp, readAll, requestHttp2, until } from "../support/listener.ts";

const enhanceYourCalm = constants.NGHTTP2_ENHANCE_YOUR_CALM;

/** A gRPC call whose message has not come yet. */
const openCall = {
  method: "POST",
  path: "/chat.ChatService/SendMessage",
  contentType: "application/grpc",
  endStream: false,
};

/** Milliseconds; the defaults are five to thirty seconds. The bystander must have time for its PINGs. */
const impatient = {
  sniffTimeoutMs: 200,
  headersTimeoutMs: 200,
  requestTimeoutMs: 300,
  checkIntervalMs: 50,
  pingIntervalMs: 1_000,
  pingTimeoutMs: 950,
};

/** What a slow client has sent when it stops, and what it goes on to send, a bit at a time, if anything. */
const slowClients: Readonly<Record<string, [begun: Buffer, then?: Buffer]>> = {
  "half a preface": [http2Preface.subarray(0, 12)],
  "a preface and nothing": [http2Preface],
  "half a frame": [Buffer.concat([http2Preface, frame(frameTypes.settings, 0, 0).subarray(0, 5)])],
  "headers that go on for ever": [
    Buffer.concat([
      http2Preface,
      frame(frameTypes.settings),
      frame(frameTypes.headers, 0, 1, Buffer.from([0x83])),
    ]),
  ],
  "a DATA frame of which a byte comes now and then": [
    Buffer.concat([
      http2Preface,
      frame(frameTypes.settings),
      requestHeaders(1, openCall),
      // The head of a frame of 16 KiB.
      Buffer.from([0, 0x40, 0, 0, 0, 0, 0, 0, 1]),
    ]),
    Buffer.from([0]),
  ],
};

test("slow loris over HTTP/2: what never gets anywhere is cut", async (t) => {
  const app = await startApp(t, { overrides: { listenerTimeouts: impatient } });
  const dribbles = new Set<NodeJS.Timeout>();
  t.after(() => dribbles.forEach(clearInterval));
  await attackBeside(t, app, async () => {
    const sockets: Socket[] = [];
    for (const [begun, then] of Object.values(slowClients)) {
      for (let count = 0; count < 20; count += 1) {
        const socket = await connectTcp(t, app.port);
        socket.write(begun);
        if (then) dribbles.add(setInterval(() => socket.write(then), 20));
        sockets.push(socket);
      }
    }
    await Promise.all(sockets.map(readAll));
    dribbles.forEach(clearInterval);
    dribbles.clear();
  });
});

test("a message that is never whole costs its client the stream, in the time of a request", async (t) => {
  const app = await startApp(t, { overrides: { listenerTimeouts: impatient } });
  await attackBeside(t, app, async () => {
    const raw = await connectRawHttp2(t, app.port);
    const prefix = frame(frameTypes.data, 0, 1, Buffer.from([0, 0, 0, 0xff, 0xff]));
    raw.write(requestHeaders(1, openCall), prefix);
    const dribble = setInterval(() => {
      raw.write(frame(frameTypes.data, 0, 1, Buffer.from("a")));
    }, 20);
    const reset = await raw
      .receive(({ type }) => type === frameTypes.rstStream)
      .finally(() => clearInterval(dribble));
    assert.deepEqual([reset.streamId, reset.payload.readUInt32BE(0)], [1, enhanceYourCalm]);
    raw.socket.destroy();
    await raw.closed;
  });
});

test("a message that says it has 4 GiB is refused by its first five bytes", async (t) => {
  const app = await startApp(t);
  const call = async (session: ClientHttp2Session) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/chat.ChatService/Chat",
      "content-type": "application/grpc",
      te: "trailers",
    });
    let status: unknown;
    const take = (headers: IncomingHttpHeaders) => {
      status ??= headers["grpc-status"];
    };
    stream.on("response", take);
    stream.on("trailers", take);
    stream.resume();
    // The call stays open until it is answered: the size alone must do.
    stream.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]));
    await once(stream, "end");
    stream.end();
    assert.equal(Number(status), Code.ResourceExhausted);
  };
  await attackBeside(t, app, async () => {
    const session = connectHttp2(t, app.url);
    await Promise.all(Array.from({ length: 20 }, () => call(session)));
    session.destroy();
  });
});

const connectionsMax = 300;

/** More connections than the server takes. */
const idleMany = 700;

test("idle connections by the hundred: the first have room, one more is closed at once", async (t) => {
  // So that none is cut by its time while the others come.
  const listenerTimeouts = { sniffTimeoutMs: 60_000, keepAliveTimeoutMs: 60_000 };
  const app = await startApp(t, {
    env: { CONNECTIONS_MAX: String(connectionsMax) },
    overrides: { listenerTimeouts },
  });
  const { connections } = app.app;
  await attackBeside(t, app, async () => {
    const sockets: Socket[] = [];
    for (let count = 0; count < idleMany; count += 1) {
      const socket = await connectTcp(t, app.port);
      socket.resume();
      if (count % 2 === 0) socket.write(Buffer.concat([http2Preface, frame(frameTypes.settings)]));
      else if (count % 3 === 0) socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
      sockets.push(socket);
    }
    await until(() => sockets.filter(({ closed }) => closed).length >= idleMany - connectionsMax);
    assert.ok(connections().sockets <= connectionsMax);
    for (const socket of sockets) socket.destroy();
    await until(() => connections().sockets <= 2);
  });
  assert.ok(connections().refusedTotal >= idleMany - connectionsMax);
  const session = connectHttp2(t, app.url);
  assert.equal((await requestHttp2(session, "/healthz")).status, 200);
  session.destroy();
});
