import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { ChatResponse_Type } from "../../src/gen/chat/chat_pb.ts";
import { binaryLanes, overLanes, plainLanes } from "../support/lanes.ts";
import { openStreamChat, openWatch } from "../support/stream-call.ts";
import { assertGapless, messagesWhenIdle } from "../support/turn-checks.ts";
import { assertError, collect, collectFailing, failureOf } from "../support/wire.ts";

const { CHUNK, RESPONSE_COMPLETE, SESSION_UPDATE } = ChatResponse_Type;

overLanes(
  "a watch gives what was missed, then live, then what happens",
  plainLanes,
  {},
  async (c) => {
    const { chat } = c;
    const { sessionId } = await chat.createSession({ modelId: "scripted:3x1" });
    const before = await collect(chat.streamChat({ sessionId, message: "one" }));
    const headers: Headers[] = [];
    const watch = openWatch(
      chat,
      { sessionId, afterSequence: 2n, afterEpoch: 1 },
      { onHeader: (received) => void headers.push(received) },
    );
    await watch.update("live");
    const after = await collect(chat.streamChat({ sessionId, message: "two" }));
    await watch.first(({ sequence }) => sequence === after.at(-1)?.sequence);
    watch.abort();
    assert.equal((await watch.ended)?.code, Code.Canceled);

    const [watching, ...rest] = watch.events;
    const state = { last_sequence: 6, epoch: 1, running_turn_id: "", queued_turn_ids: [] };
    assert.deepEqual(JSON.parse(watching?.updateData ?? ""), { ...state, heartbeat_ms: 15_000 });
    const live = rest[4];
    assert.deepEqual(JSON.parse(live?.updateData ?? ""), state);
    for (const update of [watching, live]) {
      assert.deepEqual(
        [update?.type, update?.sequence, update?.epoch, update?.sessionId],
        [SESSION_UPDATE, 0n, 0, sessionId],
      );
    }
    assert.deepEqual([watching?.updateType, live?.updateType], ["watching", "live"]);
    assert.deepEqual(rest.toSpliced(4, 1), [...before.slice(2), ...after]);
    assert.ok(watch.recorded().every(({ epoch }) => epoch === 1));
    assert.equal(headers[0]?.get("chat-session-id"), sessionId);
    assert.equal(headers[0]?.get("chat-heartbeat-ms"), "15000");
  },
);

overLanes("watches from anywhere in a running reply miss nothing", binaryLanes, {}, async (c) => {
  const { chat } = c;
  const { sessionId } = await chat.createSession({ modelId: "scripted:80x5" });
  const call = openStreamChat(chat, { sessionId, message: "Go on" });
  const cursors = [0n, 1n, 2n, 7n, 12n, 20n];
  const watches = await Promise.all(
    cursors.map(async (afterSequence) => {
      await call.first(({ sequence }) => sequence > afterSequence);
      return {
        afterSequence,
        watch: openWatch(chat, { sessionId, afterSequence, untilIdle: true }),
      };
    }),
  );
  assert.equal(await call.ended, undefined);
  assertGapless(call.events);
  for (const { afterSequence, watch } of watches) {
    assert.equal(await watch.ended, undefined);
    assert.deepEqual(watch.recorded(), call.events.slice(Number(afterSequence)));
    const { running_turn_id: turnId } = await watch.update("watching");
    assert.equal(turnId, call.events[0]?.turnId);
    const updates = watch.events.filter(({ sequence }) => sequence === 0n);
    assert.deepEqual(
      updates.map(({ updateType }) => updateType),
      ["watching", "live"],
    );
  }
});

overLanes(
  "a list, then a watch from its last sequence, loses nothing",
  binaryLanes,
  {},
  async (c) => {
    const { chat } = c;
    const { sessionId } = await chat.createSession({ modelId: "scripted:60x5" });
    const call = openStreamChat(chat, { sessionId, message: "Go on" });
    await call.first(({ chunkNumber }) => chunkNumber === 10);
    const { messages, lastSequence, epoch } = await chat.listMessages({ sessionId });
    const watched = await collect(
      chat.watchSession({
        sessionId,
        afterSequence: lastSequence,
        afterEpoch: epoch,
        untilIdle: true,
      }),
    );
    const tail = watched.map(({ chunkText }) => chunkText).join("");
    const [, reply] = await messagesWhenIdle(chat, sessionId);
    assert.equal(`${messages[1]?.text}${tail}`, reply?.text);
    assert.equal(messages[1]?.sequence, lastSequence);
    assert.equal(await call.ended, undefined);
  },
);

overLanes("until_idle ends a watch when nothing runs or waits", binaryLanes, {}, async (c) => {
  const { chat } = c;
  const { sessionId } = await chat.createSession({ modelId: "scripted:20x5" });
  const empty = await collect(chat.watchSession({ sessionId, untilIdle: true }));
  assert.deepEqual(
    empty.map(({ updateType }) => updateType),
    ["watching", "live"],
  );
  const first = openStreamChat(chat, { sessionId, message: "one" });
  await first.firstOf(CHUNK);
  const second = openStreamChat(chat, { sessionId, message: "two" });
  await second.update("turn_queued");
  const watched = await collect(chat.watchSession({ sessionId, untilIdle: true }));
  const recorded = watched.filter(({ sequence }) => sequence > 0n);
  assertGapless(recorded);
  assert.equal(recorded.filter(({ type }) => type === RESPONSE_COMPLETE).length, 2);
  assert.equal(recorded.at(-1)?.turnId, second.events[0]?.turnId);
  assert.deepEqual([await first.ended, await second.ended], [undefined, undefined]);
});

overLanes("a sequence that is still to come is out of range", binaryLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:3x1" });
  await chat.sendMessage({ sessionId, message: "one" });
  const watch = chat.watchSession({ sessionId, afterSequence: 7n });
  const { values, error } = await collectFailing(watch);
  const { metadata } = assertError(error, Code.OutOfRange, "SEQUENCE_OUT_OF_RANGE");
  assert.deepEqual([metadata.last_sequence, metadata.epoch, values.length], ["6", "1", 0]);
  const last = await collect(chat.watchSession({ sessionId, afterSequence: 6n, untilIdle: true }));
  assert.equal(last.filter(({ sequence }) => sequence > 0n).length, 0);
});

overLanes("a sequence of another epoch is data loss", binaryLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:3x1" });
  const requestId = "first";
  await chat.sendMessage({ sessionId, message: "one", requestId });
  const cursor = { sessionId, afterSequence: 2n, afterEpoch: 9 };
  const calls = [
    chat.watchSession(cursor),
    chat.streamChat({ ...cursor, message: "one", requestId }),
  ];
  for (const call of calls) {
    const { values, error } = await collectFailing(call);
    const { metadata } = assertError(error, Code.DataLoss, "EPOCH_CHANGED");
    assert.deepEqual([metadata.epoch, values.length], ["1", 0]);
  }
});

overLanes("a watch of nothing is refused", binaryLanes, {}, async ({ chat }) => {
  const nowhere = failureOf(collect(chat.watchSession({ sessionId: "nowhere" })));
  assertError(await nowhere, Code.NotFound, "SESSION_NOT_FOUND");
  const { fields } = assertError(
    await failureOf(collect(chat.watchSession({}))),
    Code.InvalidArgument,
    "INVALID_REQUEST",
  );
  assert.deepEqual(fields, ["session_id"]);
});
