import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { ChatRequestSchema } from "../../src/gen/chat/chat_pb.ts";
import { request, startApp, sumOf } from "../support/app.ts";
import {
  bodyOf,
  type RawWire,
  rawWires,
  requestHttp2,
  sendRaw,
  timeoutHeaderOf,
} from "../support/raw-wires.ts";
import { assertError } from "../support/wire.ts";

const path = "/chat.ChatService/SendMessage";
const message = toBinary(
  ChatRequestSchema,
  create(ChatRequestSchema, { message: "Hi", modelId: "scripted:2x1" }),
);
const ownWires = rawWires.filter(({ protocol }) => protocol !== "connect-stream");

function inOtherLetters(wire: RawWire): RawWire {
  return { ...wire, contentType: wire.contentType.replaceAll(/[acg]/g, (c) => c.toUpperCase()) };
}

for (const wire of ownWires.map(inOtherLetters)) {
  const name = `${wire.contentType}, HTTP/${wire.http2 ? 2 : 1.1}`;
  test(`upper and lower case are the same in a content type (${name})`, async (t) => {
    const app = await startApp(t);
    const isJson = wire.contentType.toLowerCase().includes("json");
    const body = bodyOf(wire, isJson ? Buffer.from('{"message":"Hi"}') : message);
    const { error } = await sendRaw(app, wire, { path, body });
    assert.equal(error, undefined);
    const headers = { [timeoutHeaderOf(wire)]: "soon" };
    const late = await sendRaw(app, wire, { path, body, headers });
    assert.ok(late.error);
    assertError(late.error, Code.InvalidArgument, "TIMEOUT_INVALID");
    const protocol = wire.protocol === "connect-stream" ? "connect" : wire.protocol;
    const metrics = await app.metrics();
    assert.equal(sumOf(metrics, "chatwire_rpc_started_total", `protocol="${protocol}"`), 2);
  });
}

for (const contentType of ["application/grpc,application/grpc", "", "?", "application/grpc;"]) {
  test(`a content type that is none is told what it should be (“${contentType}”)`, async (t) => {
    const app = await startApp(t);
    const sent = { path, method: "POST", headers: { "content-type": contentType }, body: "{}" };
    for (const answer of [
      await request(app, sent),
      await requestHttp2(app, { ...sent, body: "" }),
    ]) {
      assert.equal(answer.status, 415);
      assert.match(answer.body, /CONTENT_TYPE_UNKNOWN|content-type/);
      assert.match(answer.body, /curl -H 'content-type: application\/json'/);
    }
    const metrics = await app.metrics();
    assert.equal(sumOf(metrics, "chatwire_rpc_ended_total", 'code="invalid_argument"'), 2);
  });
}

test("what is refused before its RPC says why in plain text, over gRPC and gRPC-Web", async (t) => {
  const app = await startApp(t);
  for (const contentType of ["application/grpc", "application/grpc-web"]) {
    const headers = { "content-type": contentType };
    const { headers: told } = await requestHttp2(app, {
      path: "/chat.ChatService/NoSuch",
      headers,
    });
    assert.equal(told["grpc-message"], "there is no RPC /chat.ChatService/NoSuch");
  }
});
