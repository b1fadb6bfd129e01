import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { callJson, startApp, type TestApp } from "../support/app.ts";
import { connectTcp, readAll } from "../support/listener.ts";
import { connectRaw } from "../support/raw-call.ts";
import {
  bodyOf,
  encodingHeaderOf,
  envelope,
  type RawOutcome,
  type RawWire,
  rawWires,
  sendRaw,
  timeoutHeaderOf,
} from "../support/raw-wires.ts";
import { assertError } from "../support/wire.ts";

const service = "/chat.ChatService";

/** The RPC that runs one turn on a wire. */
function pathOf({ protocol }: RawWire): string {
  return `${service}/${protocol === "connect-stream" ? "StreamChat" : "SendMessage"}`;
}

async function assertStillServes(app: TestApp): Promise<void> {
  const { json } = await callJson(app, "SendMessage", { message: "Hi", modelId: "scripted:say" });
  assert.equal(json.text, "Hi");
}

function assertRefused({ error }: RawOutcome, code: Code, reason: string) {
  assert.ok(error, "it was served");
  assert.doesNotMatch(error.rawMessage, /readMaxBytes|internal error|node:/);
  return { ...assertError(error, code, reason), message: error.rawMessage };
}

const invalid = Code.InvalidArgument;

/** `message` with a string that is no UTF-8. */
function invalidUtf8({ json }: RawWire): Buffer {
  const bad = Buffer.from([0x61, 0xff, 0xfe, 0x62]);
  if (json) return Buffer.concat([Buffer.from('{"message":"'), bad, Buffer.from('"}')]);
  return Buffer.concat([Buffer.from([0x1a, bad.length]), bad]);
}

for (const wire of rawWires) {
  const { json, protocol } = wire;
  const path = pathOf(wire);
  const good = Buffer.from(json ? '{"message":"Hi"}' : [0x1a, 2, 0x48, 0x69]);
  const run = (what: string, check: (app: TestApp) => Promise<void>) => {
    test(`${what} (${wire.name})`, async (t) => {
      const app = await startApp(t);
      await check(app);
      await assertStillServes(app);
    });
  };

  run("what cannot be decoded is INVALID_ARGUMENT, with a reason", async (app) => {
    const bodies = json
      ? ['{"message": ', '{"message": 7}', "[]", "", "7", '{"message":"a","message":"b"}']
      : [
          [0xff, 0xff, 0xff, 0xff, 0x07],
          [0x1a, 0x7f, 0x61],
        ];
    for (const bytes of [...bodies.map((body) => Buffer.from(body)), invalidUtf8(wire)]) {
      const outcome = await sendRaw(app, wire, { path, body: bodyOf(wire, bytes) });
      const { fields } = assertRefused(outcome, invalid, "REQUEST_UNDECODABLE");
      assert.ok(fields.length > 0, "no BadRequest");
    }
    assert.equal((await callJson(app, "ListSessions", {})).json.activeSessions ?? 0, 0);
  });

  run("a message that is too large is RESOURCE_EXHAUSTED, in words of ours", async (app) => {
    const large = json
      ? Buffer.from(JSON.stringify({ message: "x".repeat(9_000_000) }))
      : Buffer.concat([Buffer.from([0x1a, 0x80, 0x80, 0x80, 1]), Buffer.alloc(1 << 21)]);
    const sent = [
      { body: bodyOf(wire, large) },
      { body: bodyOf(wire, gzipSync(large), 1), headers: { [encodingHeaderOf(wire)]: "gzip" } },
    ];
    for (const each of sent) {
      const outcome = await sendRaw(app, wire, { path, ...each });
      const { message } = assertRefused(outcome, Code.ResourceExhausted, "MESSAGE_TOO_LARGE");
      assert.match(message, /\d{7} bytes.*MESSAGE_BYTES_MAX/);
    }
  });

  run("compression that is not spoken, or broken, is refused", async (app) => {
    const header = encodingHeaderOf(wire);
    const send = (encoding: string, body: Uint8Array, flags = 1) =>
      sendRaw(app, wire, {
        path,
        body: bodyOf(wire, body, flags),
        headers: { [header]: encoding },
      });
    const unknown = assertRefused(
      await send("zstd", good),
      Code.Unimplemented,
      "COMPRESSION_UNKNOWN",
    );
    assert.match(unknown.message, /gzip/);
    const broken = [Buffer.from("no gzip at all"), gzipSync(good).subarray(0, 12)];
    for (const body of broken) {
      assertRefused(await send("gzip", body), invalid, "REQUEST_UNDECODABLE");
    }
    if (protocol === "connect") return;
    assertRefused(await send("identity", good), invalid, "REQUEST_UNDECODABLE");
  });

  if (protocol !== "connect") {
    run("a frame that is cut short, or lies, is refused", async (app) => {
      for (const body of [envelope(Buffer.alloc(3), 0, 10), Buffer.alloc(3)]) {
        assertRefused(await sendRaw(app, wire, { path, body }), invalid, "REQUEST_UNDECODABLE");
      }
      const huge = await sendRaw(app, wire, { path, body: envelope(good, 0, 0xffffffff) });
      assertRefused(huge, Code.ResourceExhausted, "MESSAGE_TOO_LARGE");
      for (const body of [Buffer.alloc(0), Buffer.concat([envelope(good), envelope(good)])]) {
        const outcome = await sendRaw(app, wire, { path, body });
        assertRefused(outcome, Code.Unimplemented, "MESSAGE_COUNT_WRONG");
      }
    });
  }

  run(
    "a deadline that is none is refused, and one in a thousand years is no deadline",
    async (app) => {
      const header = timeoutHeaderOf(wire);
      const grpc = header === "grpc-timeout";
      const send = (timeout: string) =>
        sendRaw(app, wire, { path, body: bodyOf(wire, good), headers: { [header]: timeout } });
      const wrong = grpc
        ? ["99999999999H", "-1S", "soon", "1", "1e3m", "1S, 2S"]
        : ["99999999999", "-1", "soon", "1e3", "0x10", "1, 2"];
      for (const timeout of wrong) {
        const { message } = assertRefused(await send(timeout), invalid, "TIMEOUT_INVALID");
        assert.match(message, new RegExp(header));
      }
      assert.equal((await send(grpc ? "99999999H" : "9999999999")).error, undefined);
      const due = assertRefused(
        await send(grpc ? "1n" : "0"),
        Code.DeadlineExceeded,
        "DEADLINE_EXCEEDED",
      );
      assert.deepEqual(due.fields, []);
    },
  );

  run("metadata that is no base64 is refused where its name says base64", async (app) => {
    const send = (value: string) =>
      sendRaw(app, wire, { path, body: bodyOf(wire, good), headers: { "trace-bin": value } });
    for (const value of ["@@@", "a", "abcde", "YQ=", "====", "YWJj,*"]) {
      const { message } = assertRefused(await send(value), invalid, "METADATA_INVALID");
      assert.match(message, /trace-bin/);
    }
    for (const value of ["", "YQ", "YQ==", "YWJj", "YWJj,YQ==", "_-8"]) {
      assert.equal((await send(value)).error, undefined, value);
    }
  });

  run("an RPC that there is not is UNIMPLEMENTED", async (app) => {
    for (const body of [good, Buffer.alloc(3_000_000)]) {
      const outcome = await sendRaw(app, wire, { path: `${service}/NoSuchRpc`, body });
      assertRefused(outcome, Code.Unimplemented, "NOT_IMPLEMENTED");
    }
  });
}

let madeBomb: Buffer | undefined;

/** 64 MiB as gzip, made once: that takes longer than all that a server does with it. */
function makeBomb(): Buffer {
  if (madeBomb) return madeBomb;
  madeBomb = gzipSync(Buffer.alloc(64 * 1_048_576));
  // Whoever read on would find that the rest is no gzip.
  return madeBomb.fill(0xff, madeBomb.length / 2);
}

for (const wire of rawWires) {
  test(`a zip bomb is inflated up to the bound and no further (${wire.name})`, async (t) => {
    const app = await startApp(t);
    const { error } = await sendRaw(app, wire, {
      path: pathOf(wire),
      body: bodyOf(wire, makeBomb(), 1),
      headers: { [encodingHeaderOf(wire)]: "gzip" },
    });
    assert.ok(error);
    assertError(error, Code.ResourceExhausted, "MESSAGE_TOO_LARGE");
    await assertStillServes(app);
  });
}

for (const rpc of ["SendMessage", "StreamChat", "Chat"]) {
  test(`a call's deadline ends the wait for its request (${rpc})`, async (t) => {
    const app = await startApp(t);
    const session = await connectRaw(app);
    const stream = session.request({
      ":method": "POST",
      ":path": `${service}/${rpc}`,
      "content-type": "application/grpc",
      "grpc-timeout": "100m",
      te: "trailers",
    });
    stream.on("error", () => undefined);
    stream.write(envelope(Buffer.alloc(3), 0, 1_000));
    const received: Record<string, unknown> = {};
    stream.on("response", (fields) => Object.assign(received, fields));
    stream.on("trailers", (fields) => Object.assign(received, fields));
    stream.resume();
    await once(stream, "end");
    assert.equal(received["grpc-status"], String(Code.DeadlineExceeded));
    assert.match(String(received["grpc-status-details-bin"]), /./);
    stream.close();
    await assertStillServes(app);
  });
}

test("a Host that makes no URL is refused", async (t) => {
  const app = await startApp(t, { env: { ALLOW_ANONYMOUS: "1", HOST: "0.0.0.0" } });
  for (const host of ["[::", "a b", "a:b:c", "%"]) {
    const socket = await connectTcp(t, app.port);
    socket.write(
      `POST ${service}/ListModels HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n` +
        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    );
    const answer = await readAll(socket);
    assert.match(answer, /^HTTP\/1.1 400 /, host);
    assert.match(answer, /REQUEST_UNDECODABLE/, host);
  }
});
