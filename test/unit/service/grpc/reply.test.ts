import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { createGrpcReply, type GrpcReply } from "../../../../src/service/grpc/reply.ts";

const ok = () => new Headers({ "grpc-status": "0" });

describe("a gRPC reply", () => {
  it("sends what is there together by one write, the headers as they are then", async (t) => {
    const call = await openCall(t);
    const writes: number[] = [];
    const { write } = call.stream;
    call.stream.write = ((bytes: Buffer) => {
      writes.push(bytes.length);
      return write.call(call.stream, bytes, "utf8");
    }) as typeof write;
    void call.reply.send(Buffer.from("one "));
    await Promise.resolve();
    void call.reply.send(Buffer.from("two "));
    call.header.set("x-late", "yes");
    await call.responded;
    call.header.set("x-late", "too late");
    void call.reply.send(Buffer.from("three"));
    call.reply.end(ok());
    const { headers, text, trailers } = await call.received;
    assert.deepEqual(writes, [8]);
    assert.equal(text, "one two three");
    assert.equal(headers["x-late"], "yes");
    assert.equal(headers["x-set"], "before");
    assert.equal(trailers?.["grpc-status"], "0");
  });

  it("is one block of headers where the call fails before its first message", async (t) => {
    const call = await openCall(t);
    call.reply.end(new Headers({ "grpc-status": "5", "grpc-message": "no%3A%20100%25" }));
    const { headers, trailers, text } = await call.received;
    assert.equal(headers["grpc-status"], "5");
    assert.equal(headers["grpc-message"], "no: 100%25");
    assert.equal(headers["content-type"], "application/grpc+proto");
    assert.equal(trailers, undefined);
    assert.equal(text, "");
  });

  it("holds the sender back until its reader reads", async (t) => {
    const call = await openCall(t, { paused: true });
    const { held, sentBytes } = sendUntilHeld(call.reply);
    call.resume();
    await held;
    call.reply.end(ok());
    assert.equal((await call.received).text.length, sentBytes);
  });

  it("lets the sender go when the reader is gone", async (t) => {
    const call = await openCall(t, { paused: true });
    const { held } = sendUntilHeld(call.reply);
    call.cut();
    await held;
    assert.equal(call.reply.isOpen(), false);
    assert.equal(call.reply.send(Buffer.alloc(1)), undefined);
    call.reply.end(ok());
  });
});

function sendUntilHeld(reply: GrpcReply) {
  const part = Buffer.alloc(10_000);
  for (let sentBytes = part.length; sentBytes < 10_000_000; sentBytes += part.length) {
    const held = reply.send(part);
    if (held) return { held, sentBytes };
  }
  return assert.fail("a reader that reads nothing holds nobody back");
}

/** A call over a connection of its own, at the point where its server begins to reply. */
async function openCall(t: TestContext, { paused = false } = {}) {
  const server = http2.createServer();
  const header = new Headers({ "content-type": "application/grpc+proto" });
  const begun = Promise.withResolvers<{ reply: GrpcReply; stream: http2.ServerHttp2Stream }>();
  server.on("request", (_request, response) => {
    response.setHeader("x-set", "before");
    const reply = createGrpcReply(response as unknown as ServerResponse, header);
    begun.resolve({ reply, stream: response.stream });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined);
  t.after(() => session.destroy());
  const client = session.request({ ":method": "POST", ":path": "/" });
  client.on("error", () => undefined);
  const responded = once(client, "response") as Promise<[http2.IncomingHttpHeaders]>;
  let trailers: http2.IncomingHttpHeaders | undefined;
  client.on("trailers", (last) => {
    trailers = last;
  });
  let text = "";
  const resume = () =>
    void client.on("data", (part: Buffer) => {
      text += part.toString();
    });
  if (!paused) resume();
  const received = once(client, "end").then(async () => {
    const [headers] = await responded;
    return { headers, trailers, text };
  });
  received.catch(() => undefined);
  const cut = () => session.destroy();
  return { ...(await begun.promise), header, responded, received, resume, cut };
}
