import assert from "node:assert/strict";
import type { CallOptions } from "@connectrpc/connect";
import { lanes, overLanes } from "../support/lanes.ts";
import { collect, collectFailing } from "../support/wire.ts";

/** Notes what a call's headers and trailers say. */
function notes() {
  const found = { header: new Headers(), trailer: new Headers() };
  const options: CallOptions = {
    onHeader: (header) => {
      found.header = header;
    },
    onTrailer: (trailer) => {
      found.trailer = trailer;
    },
  };
  return { found, options };
}

const env = { HEARTBEAT_MS: "4321" };

overLanes("headers come with the first event", lanes, { env }, async ({ chat }) => {
  const { found, options } = notes();
  const { sessionId } = await chat.createSession({ modelId: "scripted:say" });
  for await (const event of chat.streamChat({ sessionId, message: "Hi" }, options)) {
    assert.equal(event.sessionId, sessionId);
    assert.equal(found.header.get("chat-session-id"), sessionId);
    assert.equal(found.header.get("chat-model"), "scripted:say");
    assert.equal(found.header.get("chat-heartbeat-ms"), "4321");
  }
  const sent = notes();
  const reply = await chat.sendMessage({ message: "Hi" }, sent.options);
  assert.equal(sent.found.header.get("chat-session-id"), reply.sessionId);
});

overLanes("trailers sum up the turn", lanes, { env }, async ({ chat }) => {
  const { found, options } = notes();
  const events = await collect(
    chat.streamChat({ message: "one two three", modelId: "scripted:7x0" }, options),
  );
  const end = events.at(-1);
  assert.deepEqual(trailersOf(found.trailer), {
    "chat-finish-reason": "STOP",
    "chat-input-tokens": "3",
    "chat-output-tokens": "7",
    "chat-processing-time-ms": String(Math.round((end?.processingTime ?? 0) * 1_000)),
    "chat-total-chunks": "7",
    "chat-turns": "1",
  });
});

overLanes("trailers come with a turn that fails too", lanes, { env }, async ({ chat }) => {
  const { found, options } = notes();
  const modelId = "scripted:9x0!unavailable@4";
  const { error } = await collectFailing(chat.streamChat({ message: "Hi", modelId }, options));
  // gRPC's trailers of a failed call are the error's metadata.
  const trailer = found.trailer.has("chat-turns") ? found.trailer : error.metadata;
  const { "chat-turns": turns, "chat-finish-reason": reason, ...rest } = trailersOf(trailer);
  assert.deepEqual([turns, reason, rest["chat-total-chunks"]], ["1", "FAILED", "4"]);
});

function trailersOf(trailer: Headers): Record<string, string> {
  return Object.fromEntries([...trailer].filter(([name]) => name.startsWith("chat-")));
}
