import assert from "node:assert/strict";
import { test } from "node:test";
import { request, startApp } from "../support/app.ts";
import { connectLane, plainLanes } from "../support/lanes.ts";
import { openStreamChat, openWatch } from "../support/stream-call.ts";

/** What an operator is promised to see, and by which labels each can be told apart. */
const promised: readonly (readonly [what: string, name: string, ...labels: string[]])[] = [
  ["rate", "chatwire_rpc_started_total", "rpc", "protocol"],
  ["errors", "chatwire_rpc_ended_total", "rpc", "protocol", "code"],
  ["duration", "chatwire_rpc_duration_seconds_bucket", "rpc", "protocol"],
  ["turns", "chatwire_turns_ended_total", "model", "finish_reason"],
  ["first chunk", "chatwire_turn_first_chunk_seconds_bucket", "model"],
  ["inter-chunk", "chatwire_turn_chunk_gap_seconds_bucket", "model"],
  ["streams", "chatwire_streams_open", "rpc"],
  ["queue", "chatwire_turns_queued"],
  ["queue", "chatwire_turn_queued_seconds_bucket"],
  ["log lag", "chatwire_log_reader_lag_events"],
  ["log lag", "chatwire_log_unwritten_events"],
  ["store latency", "chatwire_store_operation_seconds_bucket", "operation"],
  ["store latency", "chatwire_log_append_seconds_bucket"],
  ["event-loop delay", "nodejs_eventloop_lag_p99_seconds"],
  ["event-loop delay", "nodejs_eventloop_lag_mean_seconds"],
  ["tokens", "chatwire_tokens_total", "model", "type"],
];

test("calls, turns, chunks, streams, the queue, the log, the store, the loop and tokens are measured", async (t) => {
  const app = await startApp(t);
  for (const lane of plainLanes.filter(({ json }) => !json)) {
    const { chat } = connectLane(app, lane);
    const call = openStreamChat(chat, { message: "Hi", modelId: "scripted:3x1" });
    assert.equal(await call.ended, undefined);
    const watch = openWatch(chat, { sessionId: call.events[0]?.sessionId ?? "", untilIdle: true });
    assert.equal(await watch.ended, undefined);
  }
  const { body } = await request(app, { path: "/metrics" });
  for (const [what, name, ...labels] of promised) {
    const series = body.split("\n").filter((line) => line.startsWith(name));
    const own = series.filter((line) => /^[{ ]/.test(line.slice(name.length)));
    assert.ok(own.length > 0, `${what}: no ${name}`);
    for (const label of labels) {
      assert.ok(
        own.every((line) => line.includes(`${label}="`)),
        `${what}: ${name} without ${label}`,
      );
    }
  }
  for (const protocol of ["grpc", "grpc-web", "connect"]) {
    const count = new RegExp(
      `^chatwire_rpc_duration_seconds_count\\{rpc="chat.ChatService/StreamChat",protocol="${protocol}"\\} [1-9]`,
      "m",
    );
    assert.match(body, count);
  }
  for (const name of ["first_chunk", "chunk_gap"]) {
    const count = `^chatwire_turn_${name}_seconds_count\\{model="scripted"\\} [1-9]`;
    assert.match(body, new RegExp(count, "m"), "it counts something");
  }
});
