import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { startApp, sumOf, type TestApp } from "../support/app.ts";
import { attackBeside } from "../support/bystander.ts";
import { connectTcp, readAll, until } from "../support/listener.ts";

const sendMessage = "/chat.ChatService/SendMessage";
const headers = "Host: localhost\r\nContent-Type: application/json\r\n";

/** A whole call of its own, for the places where it should be another request's body. */
const smuggled = `POST /chat.ChatService/CreateSession HTTP/1.1\r\n${headers}Content-Length: 2\r\n\r\n{}`;

function post(more: string, body: string): string {
  return `POST ${sendMessage} HTTP/1.1\r\n${headers}${more}\r\n${body}`;
}

/**
 * Requests that two servers in a row may cut at different places, or that name two hosts: the status, and never a
 * second answer. Undefined: closed without one.
 */
const smugglingShapes: Record<string, [request: string, status: number | undefined]> = {
  "a length and chunks": [
    post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${smuggled}`),
    400,
  ],
  "chunks and a length": [
    post("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", `0\r\n\r\n${smuggled}`),
    400,
  ],
  "two lengths": [post("Content-Length: 2\r\nContent-Length: 5\r\n", `{}${smuggled}`), 400],
  "the same length twice": [post("Content-Length: 2\r\nContent-Length: 2\r\n", "{}"), 400],
  "a list of lengths": [post("Content-Length: 2, 2\r\n", "{}"), 400],
  "a length with a sign": [post("Content-Length: +2\r\n", "{}"), 400],
  "a negative length": [post("Content-Length: -1\r\n", "{}"), 400],
  "a length in hexadecimal": [post("Content-Length: 0x2\r\n", "{}"), 400],
  "a length beyond any number": [post(`Content-Length: ${"9".repeat(30)}\r\n`, "{}"), 400],
  "identity, chunked": [
    post("Transfer-Encoding: identity, chunked\r\n", `0\r\n\r\n${smuggled}`),
    501,
  ],
  "chunked, gzip": [post("Transfer-Encoding: chunked, gzip\r\n", `0\r\n\r\n${smuggled}`), 400],
  "almost chunked": [post("Transfer-Encoding: xchunked\r\n", `0\r\n\r\n${smuggled}`), 501],
  "chunked behind a control character": [
    post("Transfer-Encoding:\u000bchunked\r\n", `0\r\n\r\n${smuggled}`),
    400,
  ],
  "two codings": [
    post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", `0\r\n\r\n${smuggled}`),
    400,
  ],
  "a space before the colon": [post("Content-Length : 2\r\n", `{}${smuggled}`), 400],
  "a chunk size that is no number": [
    post("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
    400,
  ],
  "a chunk size with 0x": [post("Transfer-Encoding: chunked\r\n", "0x2\r\n{}\r\n0\r\n\r\n"), 400],
  "a negative chunk size": [post("Transfer-Encoding: chunked\r\n", "-2\r\n{}\r\n0\r\n\r\n"), 400],
  "a chunk size beyond any number": [
    post("Transfer-Encoding: chunked\r\n", `${"f".repeat(17)}\r\n{}\r\n0\r\n\r\n`),
    400,
  ],
  "a chunk longer than its size": [
    post("Transfer-Encoding: chunked\r\n", "2\r\n{}abc\r\n0\r\n\r\n"),
    400,
  ],
  "chunks that end with bare LF": [post("Transfer-Encoding: chunked\r\n", "2\n{}\n0\n\n"), 400],
  "a chunk extension that ends with bare LF": [
    post("Transfer-Encoding: chunked\r\n", "2;a\n{}\r\n0\r\n\r\n"),
    400,
  ],
  "a chunk extension without end": [
    post("Transfer-Encoding: chunked\r\n", `2;${"a".repeat(20_000)}\r\n{}\r\n0\r\n\r\n`),
    413,
  ],
  "a length among the trailers": [
    post("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n"),
    400,
  ],
  "a folded header": [post("X-A: b\r\n c\r\nContent-Length: 2\r\n", "{}"), 400],
  "a folded coding": [post("Transfer-Encoding:\r\n chunked\r\n", `0\r\n\r\n${smuggled}`), 400],
  "bare LF everywhere": [post("Content-Length: 2\r\n", "{}").replaceAll("\r\n", "\n"), 400],
  "bare LF after one header": [post("X-A: b\nContent-Length: 2\r\n", "{}"), 400],
  "bare CR in a header": [post("X-A: b\rContent-Length: 2\r\n", "{}"), 400],
  "NUL in a header": [post("X-A: b\0c\r\nContent-Length: 2\r\n", "{}"), 400],
  "no host": [`POST ${sendMessage} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}`, 400],
  "two hosts": [post("Host: other.example\r\nContent-Length: 2\r\n", "{}"), 400],
  "another host in the target": [
    post("Content-Length: 2\r\n", "{}").replace(sendMessage, `http://other.example${sendMessage}`),
    400,
  ],
  "HTTP/2.0 without its preface": [`GET / HTTP/2.0\r\n${headers}\r\n`, 505],
  "HTTP/0.9": ["GET /\r\n\r\n", 505],
  CONNECT: [`CONNECT other.example:80 HTTP/1.1\r\n${headers}\r\n`, undefined],
};

/** More headers than anybody needs. */
const headerBombs: Record<string, string> = {
  "one long header": `GET / HTTP/1.1\r\n${headers}a: ${"b".repeat(20_000)}\r\n\r\n`,
  "many short headers": `GET / HTTP/1.1\r\n${headers}${"a: b\r\n".repeat(5_000)}\r\n`,
  "many empty headers": `GET / HTTP/1.1\r\n${headers}${"a:\r\n".repeat(5_000)}\r\n`,
  "a long target": `GET /${"b".repeat(20_000)} HTTP/1.1\r\n${headers}\r\n`,
  "many trailers": post(
    "Transfer-Encoding: chunked\r\n",
    `2\r\n{}\r\n0\r\n${"a: b\r\n".repeat(5_000)}\r\n`,
  ),
};

/** Sends it and reads until the server closes. */
async function exchange(t: TestContext, app: TestApp, bytes: string | Buffer): Promise<string> {
  const socket = await connectTcp(t, app.port);
  const answer = readAll(socket);
  socket.write(bytes);
  return answer;
}

function statusesOf(answer: string): number[] {
  return [...answer.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
}

async function callsStarted(app: TestApp): Promise<number> {
  return sumOf(await app.metrics(), "chatwire_rpc_started_total", "CreateSession");
}

test("request smuggling: each shape is refused, and its connection closed", async (t) => {
  const app = await startApp(t);
  for (const [name, [request, status]] of Object.entries(smugglingShapes)) {
    const statuses = statusesOf(await exchange(t, app, request));
    assert.deepEqual(statuses, status === undefined ? [] : [status], name);
  }
  assert.equal(await callsStarted(app), 0, "nothing smuggled was called");
  const shapes = Object.values(smugglingShapes);
  await attackBeside(t, app, async () => {
    await Promise.all(shapes.map(([request]) => exchange(t, app, request)));
  });
});

test("header bombs get 431 and a closed connection", async (t) => {
  const app = await startApp(t);
  await attackBeside(t, app, async () => {
    for (const [name, request] of Object.entries(headerBombs)) {
      assert.deepEqual(statusesOf(await exchange(t, app, request)), [431], name);
    }
  });
});

test("garbage is answered in words or not at all, and closed", async (t) => {
  const app = await startApp(t);
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const bytes = Buffer.from(Array.from({ length: 500 }, (_, index) => (index * 73 + 11) % 256));
  const clientHello = Buffer.from("16030100a5010000a10303", "hex");
  await attackBeside(t, app, async () => {
    for (const noise of [
      bytes,
      Buffer.alloc(5_000),
      clientHello,
      Buffer.from("PRI * HTTP/2.1\r\n"),
    ]) {
      assert.deepEqual(statusesOf(await exchange(t, app, noise)), [400]);
    }
    for (const noise of [Buffer.alloc(100, 0xff), Buffer.from("GET / HTTP/1.1\r\n\r\n")]) {
      const answer = await exchange(t, app, Buffer.concat([preface, noise]));
      assert.deepEqual(statusesOf(answer), [], "an HTTP/2 client gets frames: SETTINGS, GOAWAY");
    }
  });
});

test("plaintext and garbage on a TLS port are closed", async (t) => {
  const app = await startApp(t, { tls: true });
  for (const noise of ["GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0\0\0\0"]) {
    assert.match(await exchange(t, app, noise), /^HTTP\/1\.1 400 [\s\S]*This port speaks TLS/);
  }
  const record = Buffer.concat([Buffer.from([0x16, 3, 1, 0, 64]), Buffer.alloc(64, 0xff)]);
  assert.deepEqual(statusesOf(await exchange(t, app, record)), []);
  await until(() => app.app.connections().sockets === 0);
});

test("a length that never comes true costs the time of a request, no more", async (t) => {
  const app = await startApp(t, { overrides: { listenerTimeouts: impatient } });
  const lies = [
    post("Content-Length: 900000\r\n", "{"),
    post("Transfer-Encoding: chunked\r\n", "fffff\r\n{"),
    post("Expect: 100-continue\r\nContent-Length: 2\r\n", ""),
  ];
  await attackBeside(t, app, async () => {
    const answers = await Promise.all(lies.map((lie) => exchange(t, app, lie)));
    for (const answer of answers) assert.ok(statusesOf(answer).includes(408), answer);
  });
});

/** Milliseconds; the defaults are tens of seconds. */
const impatient = {
  sniffTimeoutMs: 200,
  headersTimeoutMs: 200,
  requestTimeoutMs: 300,
  checkIntervalMs: 50,
};

test("slow loris: connections that dribble headers or bodies are cut", async (t) => {
  const app = await startApp(t, { overrides: { listenerTimeouts: impatient } });
  const begun = [
    "",
    "G",
    `GET / HTTP/1.1\r\n${headers}X-Slow: `,
    post("Content-Length: 900\r\n", "{"),
  ];
  const dribbles: NodeJS.Timeout[] = [];
  t.after(() => dribbles.forEach(clearInterval));
  await attackBeside(t, app, async () => {
    const sockets: Socket[] = [];
    for (const start of begun.flatMap((each) => Array<string>(25).fill(each))) {
      const socket = await connectTcp(t, app.port);
      socket.write(start);
      // One that is silent but for its first byte, and one that never stops.
      if (start.length > 1) dribbles.push(setInterval(() => socket.write(" "), 20));
      sockets.push(socket);
    }
    await Promise.all(sockets.map(readAll));
    dribbles.splice(0).forEach(clearInterval);
  });
});

test("pipelining is bounded as HTTP/2's streams are", async (t) => {
  const app = await startApp(t, {
    env: { CONNECTION_STREAMS_MAX: "20", DISCONNECT_GRACE_MS: "0" },
  });
  const body = JSON.stringify({ message: "Hi", modelId: "scripted:1x0!hang@1" });
  const request = post(`Content-Length: ${body.length}\r\n`, body);
  await attackBeside(t, app, async () => {
    assert.deepEqual(statusesOf(await exchange(t, app, request.repeat(500))), []);
  });
  const started = sumOf(await app.metrics(), "chatwire_rpc_started_total", "SendMessage");
  assert.ok(started > 0);
});
