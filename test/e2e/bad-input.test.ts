import assert from "node:assert/strict";
import http2 from "node:http2";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { compressionGzip } from "@connectrpc/connect-node";
import { ChatRequestSchema } from "../../src/gen/chat/chat_pb.ts";
import { callJson, type HttpRequest, request, startApp, type TestApp } from "../support/app.ts";
import { connectLane, lanes, overLanes } from "../support/lanes.ts";
import { connectTcp, readAll } from "../support/listener.ts";
import { collect, failureOf } from "../support/wire.ts";

/** What a client gets of a request, whichever protocol it speaks. */
type Outcome = { http: number; code: string };

/** The wire of one protocol, as bytes. */
type Wire = { contentType: string; enveloped: boolean; json: boolean; http2: boolean };

const wires: readonly Wire[] = [
  { contentType: "application/proto", enveloped: false, json: false, http2: false },
  { contentType: "application/json", enveloped: false, json: true, http2: false },
  { contentType: "application/grpc+proto", enveloped: true, json: false, http2: true },
  { contentType: "application/grpc+json", enveloped: true, json: true, http2: true },
  { contentType: "application/grpc-web+proto", enveloped: true, json: false, http2: false },
  { contentType: "application/grpc-web+json", enveloped: true, json: true, http2: false },
];

/** Connect's streams are a wire of their own. */
const streamWires: readonly Wire[] = [
  { contentType: "application/connect+proto", enveloped: true, json: false, http2: false },
  { contentType: "application/connect+json", enveloped: true, json: true, http2: true },
  ...wires.filter(({ enveloped }) => enveloped),
];

function envelope(message: Uint8Array, flags = 0, length = message.length): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

type Sent = { rpc: string; body: Uint8Array; headers?: Record<string, string> };

/** Sends bytes as the body of a call and reads what its client would be told. */
async function send(app: TestApp, wire: Wire, { rpc, body, headers }: Sent): Promise<Outcome> {
  const message = {
    path: `/chat.ChatService/${rpc}`,
    headers: { "content-type": wire.contentType, ...headers },
    body,
  };
  const answer = wire.http2 ? await requestHttp2(app, message) : await request(app, message);
  return { http: answer.status, code: codeOf(wire, answer) };
}

type Answer = { status: number; headers: Record<string, unknown>; body: string };

function codeOf(wire: Wire, { headers, body }: Answer): string {
  if (wire.contentType.startsWith("application/grpc")) {
    const inTrailers = /grpc-status: ?(\d+)/i.exec(body)?.[1];
    const status = headers["grpc-status"] ?? inTrailers;
    return status === undefined ? `none in ${body}` : (Code[Number(status)] ?? "Ok");
  }
  if (headers["content-type"] === "application/proto") return "Ok";
  const { code, error } = JSON.parse(wire.enveloped ? lastMessage(body) : body) as ConnectEnd;
  const name = code ?? error?.code ?? "ok";
  return name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** What Connect ends with: an error as such, or in a stream's last message. */
type ConnectEnd = { code?: string; error?: { code: string } };

/** The last message of an enveloped body, as text. */
function lastMessage(body: string): string {
  let rest = body;
  let message = "";
  while (rest !== "") {
    const end = 5 + Buffer.from(rest.slice(1, 5), "latin1").readUInt32BE();
    message = rest.slice(5, end);
    rest = rest.slice(end);
  }
  return message;
}

/** Over HTTP/2, trailers read as headers. */
async function requestHttp2(app: TestApp, { path, headers, body }: HttpRequest): Promise<Answer> {
  const session = http2.connect(app.url);
  session.on("error", () => undefined);
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      te: "trailers",
      ...headers,
    });
    stream.on("error", () => undefined);
    const received: Record<string, unknown> = {};
    stream.on("response", (fields) => Object.assign(received, fields));
    stream.on("trailers", (fields) => Object.assign(received, fields));
    stream.end(body);
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part);
    const status = Number(received[":status"]);
    return { status, headers: received, body: Buffer.concat(parts).toString("latin1") };
  } finally {
    session.destroy();
  }
}

async function assertStillServes(app: TestApp): Promise<void> {
  const { status, json } = await callJson(app, "SendMessage", {
    message: "Still here?",
    modelId: "scripted:say",
  });
  assert.deepEqual([status, json.text], [200, "Still here?"]);
}

/** What a message that cannot be decoded ends with: gRPC's own code for protobuf, Connect's for JSON. */
function malformed({ json }: Wire): string {
  return json ? "InvalidArgument" : "Internal";
}

/** SendMessage's bytes with a string that is no UTF-8 in `message`. */
function invalidUtf8({ json }: Wire): Buffer {
  const bad = Buffer.from([0x61, 0xff, 0xfe, 0x62]);
  if (json) return Buffer.concat([Buffer.from('{"message":"'), bad, Buffer.from('"}')]);
  return Buffer.concat([Buffer.from([0x1a, bad.length]), bad]);
}

for (const wire of [...wires, ...streamWires.slice(0, 2)]) {
  const { contentType, enveloped, json } = wire;
  const rpc = contentType.startsWith("application/connect+") ? "StreamChat" : "SendMessage";
  const wrap = (message: Uint8Array) => (enveloped ? envelope(message) : message);
  const name = (what: string) => `${what}, ${contentType}`;

  test(name("garbage is refused"), async (t) => {
    const app = await startApp(t);
    const garbage = json
      ? Buffer.from('{"message": ')
      : Buffer.from([0xff, 0xff, 0xff, 0xff, 0x07]);
    const { code } = await send(app, wire, { rpc, body: wrap(garbage) });
    assert.equal(code, malformed(wire));
    const unknownField = json ? Buffer.from('{"message": 7}') : Buffer.from([0x1a, 0x7f, 0x61]);
    const wrong = await send(app, wire, { rpc, body: wrap(unknownField) });
    assert.equal(wrong.code, malformed(wire));
    await assertStillServes(app);
  });

  test(name("text that is no UTF-8 is refused"), async (t) => {
    const app = await startApp(t);
    const { code } = await send(app, wire, { rpc, body: wrap(invalidUtf8(wire)) });
    assert.equal(code, malformed(wire));
    assert.equal((await callJson(app, "ListSessions", {})).json.activeSessions ?? 0, 0);
    await assertStillServes(app);
  });

  test(name("an over-large message is RESOURCE_EXHAUSTED, compressed too"), async (t) => {
    const app = await startApp(t);
    const message = "x".repeat(2_000_000);
    const large = json
      ? Buffer.from(JSON.stringify({ message }))
      : toBinary(ChatRequestSchema, create(ChatRequestSchema, { message }));
    const plain = await send(app, wire, { rpc, body: wrap(large) });
    assert.equal(plain.code, "ResourceExhausted");
    const small = gzipSync(large);
    assert.ok(small.length < 10_000);
    const header = contentType.startsWith("application/connect+")
      ? "connect-content-encoding"
      : contentType.startsWith("application/grpc")
        ? "grpc-encoding"
        : "content-encoding";
    const body = enveloped ? envelope(small, 1) : small;
    const packed = await send(app, wire, { rpc, body, headers: { [header]: "gzip" } });
    assert.equal(packed.code, "ResourceExhausted");
    await assertStillServes(app);
  });

  if (enveloped) {
    test(name("a frame that is cut short, or says 4 GiB, is refused"), async (t) => {
      const app = await startApp(t);
      const short = await send(app, wire, { rpc, body: envelope(Buffer.alloc(3), 0, 10) });
      assert.equal(short.code, "InvalidArgument");
      const half = await send(app, wire, { rpc, body: Buffer.alloc(3) });
      assert.notEqual(half.code, "Ok");
      const huge = await send(app, wire, { rpc, body: envelope(Buffer.alloc(3), 0, 0xffffffff) });
      assert.equal(huge.code, "ResourceExhausted");
      await assertStillServes(app);
    });
  }

  test(name("an unknown RPC is UNIMPLEMENTED"), async (t) => {
    const app = await startApp(t);
    const body = wrap(Buffer.from(json ? "{" : [0xff]));
    const { code } = await send(app, wire, { rpc: "NoSuchRpc", body });
    assert.equal(code, "Unimplemented");
    const { headers, ...large } = { rpc: "NoSuchRpc", headers: {}, body: Buffer.alloc(3_000_000) };
    assert.equal((await send(app, wire, { ...large, headers })).code, "Unimplemented");
    await assertStillServes(app);
  });

  test(name("a deadline further ahead than a timer can be is none"), async (t) => {
    const app = await startApp(t);
    const deadline: Record<string, string> = contentType.startsWith("application/grpc")
      ? { "grpc-timeout": "99999999H" }
      : { "connect-timeout-ms": "9999999999" };
    const message = json
      ? Buffer.from('{"message":"Hi","modelId":"scripted:2x10"}')
      : toBinary(
          ChatRequestSchema,
          create(ChatRequestSchema, { message: "Hi", modelId: "scripted:2x10" }),
        );
    const { code } = await send(app, wire, { rpc, body: wrap(message), headers: deadline });
    assert.ok(code === "Ok", code);
    const malformed: Record<string, string> = contentType.startsWith("application/grpc")
      ? { "grpc-timeout": "soon" }
      : { "connect-timeout-ms": "soon" };
    const refused = await send(app, wire, { rpc, body: wrap(message), headers: malformed });
    assert.equal(refused.code, "InvalidArgument");
    await assertStillServes(app);
  });
}

test("a wrong content type is told what to send", async (t) => {
  const app = await startApp(t);
  for (const contentType of [
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/xml",
  ]) {
    const { status, body } = await request(app, {
      path: "/chat.ChatService/SendMessage",
      headers: { "content-type": contentType },
      body: "message=Hi",
    });
    assert.equal(status, 415);
    assert.match(JSON.parse(body).message, /curl -H 'content-type: application\/json'/);
  }
  await assertStillServes(app);
});

for (const contentType of ["application/connect+json", "application/grpc-web+proto"]) {
  test(`a stream of requests over HTTP/1.1 is told to use HTTP/2, ${contentType}`, async (t) => {
    const app = await startApp(t);
    const { body, headers } = await request(app, {
      path: "/chat.ChatService/Chat",
      headers: { "content-type": contentType },
      body: envelope(Buffer.from(contentType.endsWith("json") ? "{}" : "")),
    });
    const told = decodeURIComponent(`${body} ${String(headers["grpc-message"])}`);
    assert.match(told, /HTTP\/2.*StreamChat/);
    await assertStillServes(app);
  });
}

test("a page that there is not is a plain 404", async (t) => {
  const app = await startApp(t);
  for (const path of ["/favicon.ico", "/chat.ChatService", "/a/b/c"]) {
    assert.equal((await request(app, { path })).status, 404, path);
  }
});

test("bytes that are no HTTP are cut off, and the server serves on", async (t) => {
  const app = await startApp(t);
  const socket = await connectTcp(t, app.port);
  socket.write("\u0000\u0001 this is no HTTP\r\n\r\n");
  assert.match(await readAll(socket), /^HTTP\/1.1 400/);
  await assertStillServes(app);
});

overLanes("an over-large message is RESOURCE_EXHAUSTED", lanes, {}, async ({ app, lane, chat }) => {
  const message = "x".repeat(1_300_000);
  const compressed = connectLane(app, lane, { sendCompression: compressionGzip }).chat;
  for (const client of [chat, compressed]) {
    assert.equal((await failureOf(client.sendMessage({ message }))).code, Code.ResourceExhausted);
    const streamed = await failureOf(collect(client.streamChat({ message })));
    assert.equal(streamed.code, Code.ResourceExhausted);
  }
  // As large as a message may be.
  const largest = "x".repeat(1_048_576);
  const { text } = await chat.sendMessage({ message: largest, modelId: "scripted:2x0" });
  assert.equal(text, "w1 w2 ");
});
