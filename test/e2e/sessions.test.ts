import assert from "node:assert/strict";
import { Code, type ConnectError } from "@connectrpc/connect";
import { ChatResponse_Type, FinishReason } from "../../src/gen/chat/chat_pb.ts";
import { bidiLanes, binaryLanes, overLanes, plainLanes } from "../support/lanes.ts";
import { dataOf, openChat, openStreamChat, openWatch } from "../support/stream-call.ts";
import { assertGapless, modelAborts, words } from "../support/turn-checks.ts";
import { assertError, collect, failureOf, replyOf } from "../support/wire.ts";

const { CHUNK } = ChatResponse_Type;

const settings = {
  title: "First",
  systemInstruction: "be brief",
  generation: { temperature: 1 },
  metadata: { colour: "red" },
  modelId: "scripted:2x1",
};

overLanes(
  "UpdateSession changes what is set, or what its mask names",
  plainLanes,
  {},
  async (c) => {
    const { chat } = c;
    const { sessionId } = await chat.createSession(settings);
    const watch = openWatch(chat, { sessionId });
    await watch.update("live");
    const before = await chat.getSessionInfo({ sessionId });
    const { session: titled } = await chat.updateSession({ sessionId, title: "Second" });
    assert.deepEqual(
      [titled?.title, titled?.systemInstruction, titled?.metadata, titled?.generation?.temperature],
      ["Second", "be brief", { colour: "red" }, 1],
    );
    assert.notEqual(titled?.etag, before.etag);
    const updateMask = ["title", "system_instruction", "generation", "metadata", "model_id"];
    const { session: emptied } = await chat.updateSession({
      sessionId,
      updateMask,
      modelId: "scripted:echo",
      etag: titled?.etag ?? "",
    });
    assert.deepEqual(
      [emptied?.title, emptied?.systemInstruction, emptied?.metadata, emptied?.model],
      ["", "", {}, "scripted:echo"],
    );
    assert.equal(emptied?.generation?.temperature, undefined);
    assert.deepEqual((await chat.getSessionInfo({ sessionId })).etag, emptied?.etag);
    await chat.updateSession({
      sessionId,
      updateMask: ["title"],
      title: "Third",
      modelId: "eliza",
    });

    await watch.first(({ sequence }) => sequence === 3n);
    watch.abort();
    assertGapless(watch.recorded());
    const changes = watch.recorded().map(dataOf);
    assert.deepEqual(changes[0], {
      fields: ["title"],
      title: "Second",
      model: "scripted:2x1",
      etag: titled?.etag,
    });
    assert.deepEqual(new Set(changes[1]?.fields as string[]), new Set(updateMask));
    assert.deepEqual([changes[2]?.title, changes[2]?.model], ["Third", "scripted:echo"]);
  },
);

overLanes("an etag of the past is refused", binaryLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession(settings);
  const { etag } = await chat.getSessionInfo({ sessionId });
  await chat.sendMessage({ sessionId, message: "one" });
  const renames = ["A", "B", "C"].map((title) => chat.updateSession({ sessionId, title, etag }));
  const outcomes = await Promise.allSettled(renames);
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") continue;
    assertError(outcome.reason, Code.Aborted, "ETAG_MISMATCH");
  }
});

overLanes("an update that makes no sense is refused", binaryLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession(settings);
  const update = async (request: object, code: Code, reason: string) =>
    assertError(await failureOf(chat.updateSession({ sessionId, ...request })), code, reason);
  const unknown = { updateMask: ["title", "etag"] };
  const { fields } = await update(unknown, Code.InvalidArgument, "INVALID_REQUEST");
  assert.deepEqual(fields, ["update_mask[1]"]);
  await update({ modelId: "no-such-model" }, Code.InvalidArgument, "MODEL_UNKNOWN");
  await update({ sessionId: "nowhere", title: "x" }, Code.NotFound, "SESSION_NOT_FOUND");
  const { title, lastSequence } = await chat.getSessionInfo({ sessionId });
  assert.deepEqual([title, lastSequence], ["First", 0n]);
});

overLanes("a turn that waits keeps the settings it was sent with", binaryLanes, {}, async (c) => {
  const { chat } = c;
  const { sessionId } = await chat.createSession({ ...settings, modelId: "scripted:echo" });
  const running = openStreamChat(chat, {
    sessionId,
    message: "one",
    modelId: "scripted:9x1!hang@1",
  });
  await running.firstOf(CHUNK);
  const waiting = openStreamChat(chat, { sessionId, message: "two" });
  await waiting.update("turn_queued");
  await chat.updateSession({ sessionId, systemInstruction: "be long" });
  await chat.cancelTurn({ sessionId });
  assert.deepEqual([await running.ended, await waiting.ended], [undefined, undefined]);
  assert.equal(JSON.parse(replyOf(waiting.events)).systemInstruction, "be brief");
  const { text } = await chat.sendMessage({ sessionId, message: "three" });
  assert.equal(JSON.parse(text).systemInstruction, "be long");
});

overLanes("ForkSession copies a session, or its beginning", plainLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession(settings);
  for (const message of ["one", "two"]) {
    await chat.sendMessage({ sessionId, message, requestId: message });
  }
  const { messages } = await chat.listMessages({ sessionId });
  const running = openStreamChat(chat, {
    sessionId,
    message: "three",
    modelId: "scripted:9x1!hang@1",
  });
  await running.firstOf(CHUNK);
  const waiting = openStreamChat(chat, { sessionId, message: "four" });
  await waiting.update("turn_queued");

  const whole = await chat.forkSession({ sessionId });
  const part = await chat.forkSession({
    sessionId,
    upToMessageId: messages[1]?.messageId ?? "",
    title: "Part",
  });
  assert.deepEqual([whole.session?.title, part.session?.title], ["First", "Part"]);
  assert.equal(whole.session?.usage?.totalTokens, 0);
  assert.equal(part.session?.forkedFromSessionId, sessionId);
  const copy = (await chat.listMessages({ sessionId: whole.sessionId })).messages;
  const kept = copy.map(({ text, requestId }) => [text, requestId]);
  assert.deepEqual(kept.slice(0, 4), [
    ["one", ""],
    [words(2), ""],
    ["two", ""],
    [words(2), ""],
  ]);
  assert.ok(
    copy.every(({ text }) => text !== "four"),
    "what waits is not copied",
  );
  const ids = new Set(messages.map(({ messageId }) => messageId));
  assert.ok(copy.every(({ messageId }) => !ids.has(messageId)));
  const events = await collect(chat.streamChat({ sessionId: part.sessionId, message: "next" }));
  assertGapless(events);
  assert.equal(events[0]?.contextMessages, 3);

  const nothing = failureOf(chat.forkSession({ sessionId, upToMessageId: "nothing" }));
  assertError(await nothing, Code.NotFound, "MESSAGE_NOT_FOUND");
  const nowhere = failureOf(chat.forkSession({ sessionId: "nowhere" }));
  assertError(await nowhere, Code.NotFound, "SESSION_NOT_FOUND");
  await chat.cancelTurn({ sessionId, turnId: String(waiting.events[0]?.turnId) });
  await chat.cancelTurn({ sessionId });
  assert.deepEqual([await running.ended, await waiting.ended], [undefined, undefined]);
});

overLanes(
  "DeleteSession cancels, tells, and leaves nothing",
  plainLanes,
  {},
  async ({ app, chat }) => {
    const { sessionId } = await chat.createSession({ modelId: "scripted:9x1!hang@1" });
    const watch = openWatch(chat, { sessionId });
    const running = openStreamChat(chat, { sessionId, message: "one", requestId: "one" });
    await running.firstOf(CHUNK);
    const waiting = openStreamChat(chat, { sessionId, message: "two" });
    await waiting.update("turn_queued");
    const unary = failureOf(chat.sendMessage({ sessionId, message: "one", requestId: "one" }));
    await chat.deleteSession({ sessionId });

    const error = await watch.ended;
    assert.ok(error);
    assertError(error, Code.NotFound, "SESSION_NOT_FOUND");
    assertGapless(watch.recorded());
    const last = watch.events.at(-1);
    assert.deepEqual([last?.updateType, last?.updateData], ["session_deleted", "{}"]);
    const ends = watch.events.filter(({ isFinal }) => isFinal);
    assert.deepEqual(
      ends.map(({ finishReason }) => finishReason),
      [FinishReason.CANCELLED, FinishReason.CANCELLED],
    );
    for (const call of [running, waiting]) {
      assertGone(await call.ended);
      const [own, deletion, ...rest] = call.events.slice(
        call.events.findIndex(({ isFinal }) => isFinal),
      );
      assert.equal(own?.finishReason, FinishReason.CANCELLED);
      assert.deepEqual([deletion?.updateType, rest], ["session_deleted", []]);
    }
    assertGone(await unary);
    const calls = [
      chat.getSessionInfo({ sessionId }),
      chat.listMessages({ sessionId }),
      chat.cancelTurn({ sessionId }),
      chat.deleteSession({ sessionId }),
      chat.sendMessage({ sessionId, message: "three" }),
      collect(chat.watchSession({ sessionId })),
    ];
    for (const failure of await Promise.all(calls.map(failureOf))) {
      assertError(failure, Code.NotFound, "SESSION_NOT_FOUND");
    }
    assert.equal((await chat.listSessions({})).activeSessions, 0);
    assert.equal((await app.metrics()).get(modelAborts), 1);
  },
);

overLanes("an open Chat stream ends with its session", bidiLanes, {}, async ({ chat }) => {
  const { sessionId } = await chat.createSession({ modelId: "scripted:9x1!hang@1" });
  const call = openChat(chat);
  await call.send({ sessionId, message: "one" });
  await call.firstOf(CHUNK);
  await chat.deleteSession({ sessionId });
  const error = await call.ended;
  assert.ok(error);
  assertError(error, Code.NotFound, "SESSION_NOT_FOUND");
  const deleted = call.events.find(({ updateType }) => updateType === "session_deleted");
  assert.ok(deleted && deleted.sequence > 0n);
});

overLanes(
  "a Chat stream goes on for the sessions that are left",
  bidiLanes,
  {},
  async ({ chat }) => {
    const modelId = "scripted:9x1!hang@1";
    const [one, other] = await Promise.all([1, 2].map(() => chat.createSession({ modelId })));
    assert.ok(one && other);
    const call = openChat(chat);
    for (const { sessionId } of [one, other]) {
      await call.send({ sessionId, message: "Go on" });
      await call.first((event) => event.sessionId === sessionId && event.type === CHUNK);
    }
    await chat.deleteSession({ sessionId: one.sessionId });
    const deleted = await call.first(({ updateType }) => updateType === "session_deleted");
    assert.equal(deleted.sessionId, one.sessionId);
    await call.send({ sessionId: one.sessionId, message: "Still there?", requestId: "late" });
    const refused = await call.firstOf(ChatResponse_Type.ERROR);
    assert.deepEqual(
      [refused.errorReason, refused.requestId, refused.sequence],
      ["SESSION_NOT_FOUND", "late", 0n],
    );
    await chat.cancelTurn({ sessionId: other.sessionId });
    const end = await call.first(
      ({ isFinal, sessionId }) => isFinal && sessionId === other.sessionId,
    );
    assert.equal(end.finishReason, FinishReason.CANCELLED);
    await chat.deleteSession({ sessionId: other.sessionId });
    assertGone(await call.ended);
  },
);

function assertGone(error: ConnectError | undefined): void {
  assert.ok(error);
  assertError(error, Code.NotFound, "SESSION_NOT_FOUND");
}
