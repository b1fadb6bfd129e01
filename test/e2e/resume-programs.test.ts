import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startApp, type TestApp } from "../support/app.ts";
import { connectLane, plainLanes } from "../support/lanes.ts";
import { requireProgram, runProgram, temporaryFolder } from "../support/programs.ts";
import { modelCalls, words } from "../support/turn-checks.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const buf = path("../../node_modules/@bufbuild/buf/bin/buf");
const skip = requireProgram("curl", ["--version"]);

type Json = Record<string, unknown> & { chunkText?: string };

/** Calls a streaming RPC and gives its answers as JSON, as the program shows or receives them. */
type CallStream = (t: TestContext, app: TestApp, rpc: string, request: Json) => Promise<Json[]>;

/** Connect's envelope: a byte of flags, four of length, JSON. The last one, flag 2, ends the stream. */
async function curl(t: TestContext, app: TestApp, rpc: string, request: Json): Promise<Json[]> {
  const message = Buffer.from(JSON.stringify(request));
  const envelope = Buffer.alloc(5 + message.length);
  envelope.writeUInt32BE(message.length, 1);
  message.copy(envelope, 5);
  const file = `${temporaryFolder(t)}/answer`;
  const type = "content-type: application/connect+json";
  const url = `${app.url}/chat.ChatService/${rpc}`;
  const common = ["-sS", "--max-time", "20", "--noproxy", "*", "-o", file, "-H", type];
  // Bytes that are not text: curl takes them from printf.
  const bytes = [...envelope].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
  const script = 'bytes=$1; shift; printf "$bytes" | curl "$@" --data-binary @-';
  const args = ["-c", script, "sh", bytes, ...common, url];
  const { code, stderr } = await runProgram(t, "sh", args);
  assert.equal(code, 0, stderr);
  return readEnvelopes(readFileSync(file));
}

function readEnvelopes(body: Buffer): Json[] {
  const messages: Json[] = [];
  for (let at = 0; at < body.length; ) {
    const length = body.readUInt32BE(at + 1);
    const message = JSON.parse(body.toString("utf8", at + 5, at + 5 + length));
    if (body[at] === 2) assert.equal(message.error, undefined);
    else messages.push(message);
    at += 5 + length;
  }
  return messages;
}

function bufCurl(protocol: string): CallStream {
  return async (t, app, rpc, request) => {
    const url = `${app.url}/chat.ChatService/${rpc}`;
    const options = ["--protocol", protocol, "--http2-prior-knowledge", "-d", "@-", url];
    const env = { ...process.env, NO_PROXY: "*", HOME: temporaryFolder(t) };
    const input = JSON.stringify(request);
    const args = [buf, "curl", ...options];
    const { code, stdout, stderr } = await runProgram(t, process.execPath, args, { env, input });
    assert.equal(code, 0, stderr);
    const objects = stdout.trim().split(/(?<=^\})\n/m);
    return objects.map((object) => JSON.parse(object));
  };
}

const programs: Record<string, CallStream> = {
  curl,
  "buf curl, gRPC": bufCurl("grpc"),
  "buf curl, gRPC-Web": bufCurl("grpcweb"),
  "buf curl, Connect": bufCurl("connect"),
};

const textOf = (events: readonly Json[]) => events.map(({ chunkText }) => chunkText ?? "").join("");

for (const [name, call] of Object.entries(programs)) {
  test(`${name} re-sends by request_id and watches`, {
    skip: name === "curl" && skip,
  }, async (t) => {
    const app = await startApp(t);
    const [lane] = plainLanes;
    assert.ok(lane);
    const { chat } = connectLane(app, lane);
    const { sessionId } = await chat.createSession({ modelId: "scripted:5x1" });
    const request = { session_id: sessionId, message: "one", request_id: name };
    const events = await call(t, app, "StreamChat", request);
    assert.equal(textOf(events), words(5));
    assert.equal(events.at(-1)?.finishReason, "FINISH_REASON_STOP");
    const cursor = { after_sequence: "4", after_epoch: 1 };
    assert.deepEqual(await call(t, app, "StreamChat", { ...request, ...cursor }), events.slice(4));
    const watch = { session_id: sessionId, ...cursor, until_idle: true };
    const watched = await call(t, app, "WatchSession", watch);
    assert.deepEqual(
      watched.map(({ updateType, sequence }) => updateType ?? sequence),
      ["watching", "5", "6", "7", "8", "live"],
    );
    assert.deepEqual(watched.slice(1, -1), events.slice(4));
    const sent = await chat.sendMessage({ sessionId, message: "one", requestId: name });
    assert.equal(sent.turnId, events[0]?.turnId);
    assert.equal((await app.metrics()).get(modelCalls), 1);
  });
}
