import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { compressionGzip } from "@connectrpc/connect-node";
import { callJson, type HttpAnswer, request, startApp, type TestApp } from "../support/app.ts";
import { connectLane, lanes, overLanes } from "../support/lanes.ts";
import { connectTcp, readAll } from "../support/listener.ts";
import { envelope, type RawWire, rawWires, sendRaw } from "../support/raw-wires.ts";
import { assertError, collect, failureOf } from "../support/wire.ts";

async function assertStillServes(app: TestApp): Promise<void> {
  const { status, json } = await callJson(app, "SendMessage", {
    message: "Still here?",
    modelId: "scripted:say",
  });
  assert.deepEqual([status, json.text], [200, "Still here?"]);
}

/** What an HTTP answer in Connect's JSON says. */
function refusalIn({ body }: HttpAnswer): ConnectError {
  return errorFromJsonBytes(Buffer.from(body, "latin1"), undefined, new ConnectError("no error"));
}

test("a wrong content type is told what to send", async (t) => {
  const app = await startApp(t);
  const commands = [
    ["SendMessage", /curl -H 'content-type: application\/json'/],
    ["StreamChat", /buf curl .*SendMessage/],
    ["WatchSession", /buf curl .*ListMessages/],
    ["GetAttachment", /buf curl .*stream of messages\)/],
  ] as const;
  for (const contentType of [
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/xml",
  ]) {
    for (const [rpc, command] of commands) {
      const path = `/chat.ChatService/${rpc}`;
      const headers = { "content-type": contentType };
      const answer = await request(app, { path, headers, body: "message=Hi" });
      assert.equal(answer.status, 415);
      const refusal = refusalIn(answer);
      assertError(refusal, Code.InvalidArgument, "CONTENT_TYPE_UNKNOWN");
      assert.match(refusal.rawMessage, command);
      assert.match(refusal.rawMessage, new RegExp(contentType));
    }
  }
  await assertStillServes(app);
});

test("an HTTP method that an RPC does not have is told which do", async (t) => {
  const app = await startApp(t);
  const get = "?connect=v1&encoding=json&message=%7B%7D";
  const refused = [
    ["GET", `SendMessage${get}`, "POST"],
    ["GET", "SendMessage", "POST"],
    ["PUT", "SendMessage", "POST"],
    ["DELETE", "ListModels", "GET, POST"],
    ["GET", `GetAttachment${get}`, "POST"],
    ["GET", `StreamChat${get}`, "POST"],
  ] as const;
  for (const [method, rpc, allow] of refused) {
    const answer = await request(app, { path: `/chat.ChatService/${rpc}`, method });
    assert.deepEqual([answer.status, answer.headers.allow], [405, allow], `${method} ${rpc}`);
    const refusal = refusalIn(answer);
    assertError(refusal, Code.Unimplemented, "METHOD_NOT_ALLOWED");
    assert.match(refusal.rawMessage, /takes POST, not .*GET is for GetSessionInfo.*ListModels/);
    assert.doesNotMatch(refusal.rawMessage, /GET is for.*(SendMessage|GetAttachment)/);
  }
  const incomplete = await request(app, { path: "/chat.ChatService/ListModels" });
  assert.equal(incomplete.status, 415);
  assert.match(refusalIn(incomplete).rawMessage, /connect=v1&encoding=json/);
});

test("a GET's message is read as strictly as a POST's", async (t) => {
  const app = await startApp(t);
  const refused = [
    ["encoding=json&message=%7B%22pageSise%22:1%7D", ["pageSise"]],
    ["encoding=json&message=%7B", [""]],
    ["encoding=json&base64=1&message=@@", [""]],
    ["encoding=proto&base64=1&message=_w", [""]],
  ] as const;
  for (const [query, fields] of refused) {
    const answer = await request(app, {
      path: `/chat.ChatService/ListSessions?connect=v1&${query}`,
    });
    assert.equal(answer.status, 400, query);
    const error = assertError(refusalIn(answer), Code.InvalidArgument, "REQUEST_UNDECODABLE");
    assert.deepEqual(error.fields, fields);
  }
});

for (const contentType of ["application/connect+json", "application/grpc-web+proto"]) {
  test(`a stream of requests over HTTP/1.1 is told to use HTTP/2, ${contentType}`, async (t) => {
    const app = await startApp(t);
    const { error } = await sendRaw(
      app,
      rawWires.find((wire) => wire.contentType === contentType && !wire.http2) as RawWire,
      {
        path: "/chat.ChatService/Chat",
        body: envelope(Buffer.from(contentType.endsWith("json") ? "{}" : "")),
      },
    );
    assert.ok(error);
    assertError(error, Code.Unimplemented, "HTTP2_REQUIRED");
    assert.match(error.rawMessage, /HTTP\/2.*StreamChat/);
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
    const calls = [client.sendMessage({ message }), collect(client.streamChat({ message }))];
    for (const error of await Promise.all(calls.map(failureOf))) {
      assertError(error, Code.ResourceExhausted, "MESSAGE_TOO_LARGE");
    }
  }
  // As large as a message may be; JSON writes the second one as six times as many bytes.
  for (const character of ["x", "\u0000"]) {
    const largest = character.repeat(1_048_576);
    const { text } = await chat.sendMessage({ message: largest, modelId: "scripted:2x0" });
    assert.equal(text, "w1 w2 ");
  }
  const over = await failureOf(chat.sendMessage({ message: "\u0000".repeat(1_048_577) }));
  assert.deepEqual(assertError(over, Code.InvalidArgument, "INVALID_REQUEST").fields, ["message"]);
});
