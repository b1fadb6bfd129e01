import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatResponse_Type } from "../../src/gen/chat/chat_pb.ts";
import { bearer, startAuthApp } from "../support/auth.ts";
import { bidiLanes, binaryLanes, connectLane } from "../support/lanes.ts";
import { openChat, openStreamChat, openWatch } from "../support/stream-call.ts";
import { failureOf } from "../support/wire.ts";

type Line = Record<string, unknown>;

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What every line of a turn has, however it was started. */
function assertTurn(line: Line, sessionId: string, model: string): void {
  assert.deepEqual([line.sessionId, line.model, line.principal], [sessionId, model, "key:alice"]);
  assert.match(String(line.turnId), uuid);
  assert.equal(line.finishReason, "stop");
  for (const name of [
    "totalChunks",
    "processingMs",
    "firstChunkMs",
    "inputTokens",
    "outputTokens",
  ]) {
    assert.equal(typeof line[name], "number", name);
  }
}

for (const lane of binaryLanes) {
  test(`each call has one line and each turn has one, streams and failures too (${lane.name})`, async (t) => {
    const lines: Line[] = [];
    const logStream = { write: (text: string) => void lines.push(JSON.parse(text)) };
    const app = await startAuthApp(t, { env: { LOG_LEVEL: "info" }, overrides: { logStream } });
    const { chat } = connectLane(app, lane);
    const options = { headers: bearer(app.alice) };
    const modelId = "scripted:30x0";
    const { sessionId } = await chat.createSession({ modelId }, options);
    await chat.sendMessage({ sessionId, message: "one" }, options);
    assert.equal(
      await openStreamChat(chat, { sessionId, message: "two" }, options).ended,
      undefined,
    );
    const watch = openWatch(chat, { sessionId, untilIdle: true }, options);
    assert.equal(await watch.ended, undefined);
    await failureOf(chat.getSessionInfo({ sessionId: "" }, options));
    await failureOf(chat.listModels({}));
    const expected: [rpc: string, code: string][] = [
      ["CreateSession", "ok"],
      ["SendMessage", "ok"],
      ["StreamChat", "ok"],
      ["WatchSession", "ok"],
      ["GetSessionInfo", "invalid_argument"],
      ["ListModels", "unauthenticated"],
    ];
    let turns = 2;
    if (bidiLanes.includes(lane)) {
      const call = openChat(chat, options);
      await call.send({ sessionId, message: "three" });
      await call.firstOf(ChatResponse_Type.RESPONSE_COMPLETE);
      call.halfClose();
      assert.equal(await call.ended, undefined);
      expected.push(["Chat", "ok"]);
      turns += 1;
    }
    await app.close();

    const calls = lines.filter(({ msg }) => msg === "call ended");
    const seen = calls.map(({ rpc, code }) => `${String(rpc)} ${String(code)}`);
    const wanted = expected.map(([rpc, code]) => `chat.ChatService/${rpc} ${code}`);
    assert.deepEqual(seen.toSorted(), wanted.toSorted());
    for (const { rpc, code, durationMs, requestId, protocol, address, principal } of calls) {
      assert.ok(typeof durationMs === "number" && typeof requestId === "string", String(rpc));
      assert.deepEqual([protocol, address], [lane.protocol, "127.0.0.1"]);
      assert.equal(principal, code === "unauthenticated" ? undefined : "key:alice");
    }
    assert.equal(new Set(calls.map(({ requestId }) => requestId)).size, calls.length);
    const ended = lines.filter(({ msg }) => msg === "turn ended");
    assert.equal(ended.length, turns);
    for (const line of ended) assertTurn(line, sessionId, modelId);
    // A call of one turn says which.
    for (const { turnId } of ended) {
      assert.ok(calls.some((call) => call.turnId === turnId && call.sessionId === sessionId));
    }
  });
}
