import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import type { HttpAnswer, TestApp } from "../../support/app.ts";
import { bearer, startAuthApp } from "../../support/auth.ts";
import {
  bodyOf,
  errorOf,
  type RawWire,
  sendRaw,
  streamWires,
  unaryWires,
} from "../../support/raw-wires.ts";
import { assertError } from "../../support/wire.ts";

/** Every kind of call, with a wire that serves it. */
const calls = [
  ...unaryWires.map((wire) => ({ wire, rpc: "CreateSession" })),
  ...unaryWires.map((wire) => ({ wire, rpc: "SendMessage" })),
  ...streamWires.map((wire) => ({ wire, rpc: "StreamChat" })),
  ...streamWires.map((wire) => ({ wire, rpc: "WatchSession" })),
  ...streamWires
    .filter((wire) => wire.http2 && wire.protocol !== "grpc-web")
    .map((wire) => ({ wire, rpc: "Chat" })),
];

/** Sends a call's headers, and nothing of the body that they announce; resolves with the whole answer. */
function sendHeaders(app: TestApp, wire: RawWire, rpc: string): Promise<HttpAnswer> {
  const path = `/chat.ChatService/${rpc}`;
  const headers = { "content-type": wire.contentType, "content-length": "1000" };
  return wire.http2 ? sendHeadersHttp2(app, path, headers) : sendHeadersHttp1(app, path, headers);
}

type HeaderFields = Record<string, string>;

async function sendHeadersHttp1(
  { port, defer }: TestApp,
  path: string,
  headers: HeaderFields,
): Promise<HttpAnswer> {
  const options = { host: "127.0.0.1", port, method: "POST", path, headers, agent: false };
  const outgoing = http.request(options);
  defer(() => outgoing.destroy());
  outgoing.flushHeaders();
  const [response]: http.IncomingMessage[] = await once(outgoing, "response");
  assert.ok(response);
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  const { statusCode: status = 0, headers: received } = response;
  return { status, headers: received, body: Buffer.concat(parts).toString("latin1") };
}

async function sendHeadersHttp2(
  { url, defer }: TestApp,
  path: string,
  headers: HeaderFields,
): Promise<HttpAnswer> {
  const session = http2.connect(url);
  session.on("error", () => undefined);
  defer(() => session.destroy());
  const stream = session.request({ ":method": "POST", ":path": path, te: "trailers", ...headers });
  stream.on("error", () => undefined);
  const received: HttpAnswer["headers"] = {};
  stream.on("response", (fields) => Object.assign(received, fields));
  stream.on("trailers", (fields) => Object.assign(received, fields));
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  const status = Number((received as Record<string, unknown>)[":status"]);
  return { status, headers: received, body: Buffer.concat(parts).toString("latin1") };
}

for (const { wire, rpc } of calls) {
  test(`${rpc} of nobody is refused by its headers, before its body has come (${wire.name})`, async (t) => {
    const app = await startAuthApp(t);
    const answer = await sendHeaders(app, wire, rpc);
    const error = errorOf(wire, answer);
    assert.ok(error);
    assertError(error, Code.Unauthenticated, "UNAUTHENTICATED");
    const isPlainHttp = wire.protocol === "connect";
    assert.equal(answer.status, isPlainHttp ? 401 : 200);
    const challenge = isPlainHttp ? 'Bearer realm="chatwire"' : undefined;
    assert.equal(answer.headers["www-authenticate"], challenge);
    assert.equal(answer.headers["cache-control"], "private, no-store");
  });
}

for (const wire of new Set([...unaryWires, ...streamWires])) {
  const rpc = unaryWires.includes(wire) ? "CreateSession" : "StreamChat";
  test(`bytes that make no message tell nobody more (${rpc}, ${wire.name})`, async (t) => {
    const app = await startAuthApp(t);
    const body = bodyOf(wire, Buffer.from("\u0000{[not a message"));
    const path = `/chat.ChatService/${rpc}`;
    const stranger = await sendRaw(app, wire, { path, body });
    assert.ok(stranger.error);
    assertError(stranger.error, Code.Unauthenticated, "UNAUTHENTICATED");
    const known = await sendRaw(app, wire, { path, body, headers: bearer(app.alice) });
    assert.ok(known.error);
    assertError(known.error, Code.InvalidArgument, "REQUEST_UNDECODABLE");
  });
}
