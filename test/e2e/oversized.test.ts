import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { type HttpAnswer, startApp } from "../support/app.ts";
import { requireProgram, runProgram } from "../support/programs.ts";
import { connectRaw, whenClosed } from "../support/raw-call.ts";
import { bodyOf, errorOf, type RawWire, rawWires } from "../support/raw-wires.ts";
import { assertError } from "../support/wire.ts";

const skip = requireProgram("curl", ["--version"]);
const http2Wires = rawWires.filter(({ http2 }) => http2);
/** Above what is read of a JSON request with the default MESSAGE_BYTES_MAX, which is 7.28 MB. */
const sizes = [7_300_000, 9_000_000, 50_000_000];

function pathOf({ protocol }: RawWire): string {
  return `/chat.ChatService/${protocol === "connect-stream" ? "StreamChat" : "SendMessage"}`;
}

function open(session: ClientHttp2Session, wire: RawWire, contentLength?: number) {
  const stream = session.request({
    ":method": "POST",
    ":path": pathOf(wire),
    "content-type": wire.contentType,
    te: "trailers",
    ...(contentLength !== undefined && { "content-length": contentLength }),
  });
  return { stream, answer: readAnswer(stream) };
}

/** The whole answer, once the stream is closed; fails when the stream does. */
async function readAnswer(stream: ClientHttp2Stream): Promise<HttpAnswer> {
  const received: Record<string, unknown> = {};
  const parts: Buffer[] = [];
  const errors: Error[] = [];
  stream.on("error", (error) => errors.push(error));
  stream.on("response", (fields) => Object.assign(received, fields));
  stream.on("trailers", (fields) => Object.assign(received, fields));
  stream.on("data", (part: Buffer) => parts.push(part));
  await whenClosed(stream);
  assert.deepEqual(errors, []);
  assert.equal(stream.rstCode, 0);
  return {
    status: Number(received[":status"]),
    headers: received as HttpAnswer["headers"],
    body: Buffer.concat(parts).toString("latin1"),
  };
}

/** With no more of it under way than the server takes: a client's session holds 10 MB at most. */
function inParts(body: Uint8Array): Readable {
  const partBytes = 65_536;
  const count = Math.ceil(body.length / partBytes);
  const parts = Array.from({ length: count }, (_, i) =>
    body.subarray(i * partBytes, (i + 1) * partBytes),
  );
  return Readable.from(parts);
}

function assertTooLarge(wire: RawWire, answer: HttpAnswer): void {
  const error = errorOf(wire, answer);
  assert.ok(error, "it was served");
  assertError(error, Code.ResourceExhausted, "MESSAGE_TOO_LARGE");
}

for (const wire of http2Wires) {
  test(`a refused upload ends, and its connection serves on (${wire.name})`, async (t) => {
    const app = await startApp(t);
    const session = await connectRaw(app);
    for (const size of sizes) {
      const body = bodyOf(wire, Buffer.alloc(size, "x"));
      for (const length of [body.length, undefined]) {
        const { stream, answer } = open(session, wire, length);
        inParts(body).pipe(stream);
        assertTooLarge(wire, await answer);
      }
    }
    // Nothing is left of the window that all streams share, had the dropped bytes not been given back.
    const good = bodyOf(wire, Buffer.from(wire.json ? '{"message":"Hi"}' : [0x1a, 2, 0x48, 0x69]));
    const { stream, answer } = open(session, wire, good.length);
    stream.end(good);
    assert.equal(errorOf(wire, await answer), undefined);
    session.close();
    await once(session, "close");
  });

  test(`a refused upload that stands still is ended (${wire.name})`, async (t) => {
    const app = await startApp(t);
    const session = await connectRaw(app);
    const { stream, answer } = open(session, wire, sizes[1]);
    stream.write(bodyOf(wire, Buffer.alloc(sizes[1] ?? 0, "x")).subarray(0, 100));
    assertTooLarge(wire, await answer);
  });
}

test("a refused upload that never ends is ended", async (t) => {
  const app = await startApp(t);
  const session = await connectRaw(app);
  const [wire] = http2Wires;
  assert.ok(wire);
  const { stream, answer } = open(session, wire);
  const part = Buffer.alloc(65_536, 0xff);
  Readable.from(
    (function* () {
      while (!stream.closed) yield part;
    })(),
  ).pipe(stream);
  assertTooLarge(wire, await answer);
});

test("what a client sends while it has not seen the refusal is taken", async (t) => {
  const app = await startApp(t);
  const session = await connectRaw(app);
  const [wire] = http2Wires.filter(({ contentType }) => contentType === "application/json");
  assert.ok(wire);
  const { stream, answer } = open(session, wire, sizes[0]);
  await once(stream, "end");
  // A reset with the answer would have closed the stream by the time of the PING's answer.
  await new Promise<void>((resolve) => session.ping(() => resolve()));
  assert.equal(stream.closed, false);
  stream.end(Buffer.alloc(sizes[0] ?? 0));
  assertTooLarge(wire, await answer);
});

for (const size of sizes) {
  test(`curl over HTTP/2 shows the refusal of ${size} bytes`, { skip }, async (t) => {
    const app = await startApp(t);
    const file = writeBody(t, size);
    for (const send of [
      ["--data-binary", `@${file}`],
      ["-X", "POST", "-T", file],
      ["-H", "transfer-encoding: chunked", "--data-binary", `@${file}`],
    ]) {
      // Several times: whether curl was still sending when it was told is chance.
      for (let round = 0; round < 5; round++) {
        await assertRefusedByCurl(t, [...send, "-H", "content-type: application/json"], app.port);
      }
    }
  });
}

function writeBody(t: TestContext, size: number): string {
  const directory = mkdtempSync(join(tmpdir(), "oversized-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "body");
  writeFileSync(file, Buffer.alloc(size, "x"));
  return file;
}

async function assertRefusedByCurl(t: TestContext, args: string[], port: number): Promise<void> {
  const url = `http://127.0.0.1:${port}/chat.ChatService/SendMessage`;
  const flags = ["-sS", "--http2-prior-knowledge", "--noproxy", "*", "--max-time", "20"];
  const shown = ["-w", "\n%{http_code} %{http_version}"];
  const { code, stdout, stderr } = await runProgram(t, "curl", [...flags, ...shown, ...args, url]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /\n429 2$/);
  assert.match(stdout, /MESSAGE_TOO_LARGE/);
}
