import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { ChatResponse_Type, FinishReason } from "../../src/gen/chat/chat_pb.ts";
import { request } from "../support/app.ts";
import { connectLane, type Lane, lanes } from "../support/lanes.ts";
import { requireProgram } from "../support/programs.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";
import { openStreamChat } from "../support/stream-call.ts";
import { assertGapless } from "../support/turn-checks.ts";
import { assertError, collect, failureOf, replyOf } from "../support/wire.ts";

const [grpc] = lanes as [Lane];
const skip = requireProgram("prlimit", ["--version"]);

/** What `ulimit -f` sets, for a process that runs. Less than a page: then nothing can be written at all. */
function limitFiles({ pid }: ServerProcess, bytes: number | "unlimited"): void {
  execFileSync("prlimit", ["--pid", String(pid), `--fsize=${bytes}:unlimited`]);
}

test("a server whose files may not grow lives on, and goes on when they may", {
  skip,
}, async (t) => {
  const server = await startServer(t);
  const { chat } = connectLane(server, grpc);
  const kept = await chat.sendMessage({ message: "Before", modelId: "scripted:say" });
  const stream = openStreamChat(chat, { message: "Count", modelId: "scripted:5000x2" });
  const { sessionId } = await stream.first(({ chunkNumber }) => chunkNumber === 20);

  limitFiles(server, 1_024);
  const error = await stream.ended;
  assert.ok(error);
  assertError(error, Code.Unavailable, "STORAGE_UNAVAILABLE");
  const told = stream.events.at(-1);
  assert.equal(told?.type, ChatResponse_Type.ERROR);
  assert.equal(told.sequence, 0n);
  const asked = { sessionId: kept.sessionId, message: "Now?", modelId: "scripted:say" };
  const refused = await failureOf(chat.sendMessage(asked));
  assertError(refused, Code.Unavailable, "STORAGE_UNAVAILABLE");
  assert.equal((await request(server, { path: "/readyz" })).status, 503);
  const { messages } = await chat.listMessages({ sessionId: kept.sessionId });
  assert.equal(messages.length, 2);

  limitFiles(server, "unlimited");
  const log = await collect(chat.watchSession({ sessionId, untilIdle: true }));
  const recorded = log.filter(({ sequence }) => sequence > 0n);
  assertGapless(recorded);
  assert.equal(recorded.at(-1)?.finishReason, FinishReason.INTERRUPTED);
  assert.ok(replyOf(recorded).startsWith(replyOf(stream.recorded())));
  assert.equal((await request(server, { path: "/readyz" })).status, 200);
  assert.equal((await chat.sendMessage(asked)).text, "Now?");
  server.kill("SIGTERM");
  assert.equal((await server.result()).code, 0);
});
