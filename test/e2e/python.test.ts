import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../src/gen/google/rpc/status_pb.ts";
import { startApp, type TestApp, untilMetrics } from "../support/app.ts";
import { requireProgram, runProgram, temporaryFolder } from "../support/programs.ts";

/** Debian's, which has grpcio; another one on the PATH may not. */
const python = "/usr/bin/python3";
const client = fileURLToPath(new URL("../support/python/seed_client.py", import.meta.url));
const contract = fileURLToPath(new URL("../fixtures/contract", import.meta.url));

const skip =
  requireProgram(python, ["-c", "import grpc"]) ||
  requireProgram("protoc", ["--version"]) ||
  requireProgram("/bin/sh", ["-c", "command -v grpc_python_plugin"]);

/** Stubs of the original contract, made as its users make them. */
async function makeStubs(t: TestContext): Promise<string> {
  const folder = temporaryFolder(t);
  const plugin = "protoc-gen-grpc_python=/usr/bin/grpc_python_plugin";
  const out = [`--python_out=${folder}`, `--grpc_python_out=${folder}`];
  const args = [`-I${contract}`, `--plugin=${plugin}`, ...out, "seed.proto"];
  const { code, stderr } = await runProgram(t, "protoc", args);
  assert.equal(code, 0, stderr);
  return folder;
}

// biome-ignore lint/suspicious/noExplicitAny: what a scenario saw, as its JSON says it
async function play(t: TestContext, { port }: TestApp, scenario: string): Promise<any> {
  const stubs = await makeStubs(t);
  const env = { ...process.env, no_proxy: "127.0.0.1", PYTHONDONTWRITEBYTECODE: "1" };
  const args = [client, stubs, `127.0.0.1:${port}`, scenario];
  const { code, stdout, stderr } = await runProgram(t, python, args, { env });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

test("Python, seed contract: all six RPCs", { skip }, async (t) => {
  const seen = await play(t, await startApp(t), "all_rpcs");
  assert.equal(seen.model, "eliza");
  assert.notEqual(seen.reply, "");
  assert.deepEqual(seen.names.slice(0, 3), ["STATUS", "RESPONSE_START", "CHUNK"]);
  assert.equal(seen.names.at(-1), "RESPONSE_COMPLETE");
  assert.deepEqual(
    seen.numbers,
    seen.numbers.map((_: number, index: number) => index + 1),
  );
  assert.equal(seen.total_chunks, seen.numbers.length);
  assert.deepEqual([seen.is_final, seen.message_count, seen.rest], [true, 2, 0]);
  assert.deepEqual([seen.listed, seen.active_sessions], [[true], 1]);
  assert.deepEqual(seen.requests, [1, 1, 0]);
  assert.match(seen.framework, /^chatwire /);
  assert.deepEqual([seen.opened, seen.deleted, seen.utc], [true, true, true]);
});

test("Python: Eliza answers three turns in context", { skip }, async (t) => {
  const { replies, contexts, rest } = await play(t, await startApp(t), "conversation");
  assert.deepEqual([contexts, rest], [[1, 3, 5], 0]);
  assert.match(replies[1], /your mother/);
  // The last message says nothing: what Eliza answers is what she has kept of the one before.
  assert.match(replies[2], /your mother worries about you/);
});

test("Python: a PING is answered in mid reply", { skip }, async (t) => {
  const { before, chunks } = await play(t, await startApp(t), "ping");
  assert.equal(before.at(-1), "PONG");
  assert.ok(!before.includes("RESPONSE_COMPLETE"));
  assert.equal(chunks, 40);
});

test("Python: a message in a busy session waits for its place", { skip }, async (t) => {
  const { chunks, updates, names, rest } = await play(t, await startApp(t), "busy");
  const numbers = Array.from({ length: 20 }, (_, index) => index + 1);
  assert.deepEqual(chunks, [numbers, numbers]);
  assert.deepEqual([updates, rest], [["turn_queued"], 0]);
  assert.deepEqual(names.slice(0, 2), ["STATUS", "RESPONSE_START"]);
});

test("Python: a cancel in mid reply is one abort of the model", { skip }, async (t) => {
  const app = await startApp(t);
  const { code } = await play(t, app, "cancel");
  assert.equal(code, "CANCELLED");
  await untilMetrics(app, (m) => m.get("chatwire_scripted_model_aborts_total") === 1);
  await untilMetrics(app, (m) => m.get("chatwire_turns_running") === 0);
  assert.equal((await app.metrics()).get("chatwire_scripted_model_calls_total"), 1);
});

test("Python: errors have a code and google.rpc details", { skip }, async (t) => {
  const seen = await play(t, await startApp(t), "bad_calls");
  assert.deepEqual(
    [seen.session.code, seen.model.code, seen.method.code],
    ["NOT_FOUND", "INVALID_ARGUMENT", "UNIMPLEMENTED"],
  );
  assert.equal(reasonOf(seen.session.details), "SESSION_NOT_FOUND");
  assert.equal(reasonOf(seen.model.details), "MODEL_UNKNOWN");
  assert.equal(reasonOf(seen.method.details), "NOT_IMPLEMENTED");
  assert.equal(seen.chat, true);
});

function reasonOf(base64: string): string | undefined {
  const { details } = fromBinary(StatusSchema, Buffer.from(base64, "base64"));
  const infos = details.map((detail) => anyUnpack(detail, ErrorInfoSchema));
  const info = infos.find((found) => found !== undefined);
  assert.equal(info?.domain, "chatwire");
  return info.reason;
}
